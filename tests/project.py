"""A copy of the project in a folder of its own, used as a user does: by its command line.

A command is carried out in the test's own process, where torch and MLflow are imported already; it gets a process of
its own where the test is about processes: kills, signals, Ray.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch

from tagging.tracking.store import _source
from tests.stand_in import empty_store, stand_in

ROOT = Path(__file__).parents[1]
# small enough for a fold in two seconds, with every part of the recipe at work
TINY = """\
base: base
notes: Small enough for a test.
data: {kind: demo}
demo: {curated: 36, noisy: 12, test: 8}
folds: {count: 3}
features: {n_mels: 32}
sampling: {batch_size: 8, draws_per_epoch: 32, frames: 64}
model: {base_size: 2, cbam_ratio: 4}
optimizer: {lr: 3e-3}
training: {epochs: 3, precision: float32} # on every processor
predict: {tile_step: 32, batch_size: 16, noisy: true}
report: {clips: 0}
threads: 1
"""


@dataclass(frozen=True)
class Done:
    """What a command left on the screen, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


class Project:
    """A checkout with an experiment `tiny` and an empty store; with `store` False there is no store yet."""

    def __init__(self, folder: Path, store: bool = True) -> None:
        self.folder = folder
        for name in ("tagging", "experiments", "tune"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("MLproject", "conda.yaml", "requirements.txt"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "experiments" / "tiny.yaml").write_text(TINY)
        if store:
            shutil.copyfile(empty_store(), folder / "mlflow.db")

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"

    def run(self, *arguments: str, code: int = 0, module: str = "tagging") -> Done:
        """Carry out `python -m MODULE` with these arguments in this process and expect this exit status."""
        main = import_module(f"{module}.cli").main
        with _as_a_process_of_its_own(self, module, arguments) as (out, err):
            try:
                status = main(list(arguments))
            except SystemExit as stop:  # argparse
                status = stop.code
        assert status == code, f"{out.getvalue()}\n{err.getvalue()}"
        return Done(status, out.getvalue(), err.getvalue())

    def start(
        self, *arguments: str, module: str = "tagging", environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start `python -m MODULE` with these arguments and go on; without an `environment` in this process's own."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env=environment or _environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_apart(self, *arguments: str, code: int = 0, module: str = "tagging") -> Done:
        """Run `python -m MODULE` with these arguments in a process of its own and expect this exit status."""
        process = self.start(*arguments, module=module)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, f"{out}\n{err}"
        return Done(process.returncode, out, err)

    def kill_when(self, reached: Callable[[], bool], number: signal.Signals, *arguments: str) -> int:
        """Start a command, send it a signal as soon as `reached` says so, return its exit status."""
        process = self.start(*arguments)
        deadline = time.monotonic() + 120
        while not reached():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=60)
        return process.returncode

    def epochs_in_work(self) -> list[str]:
        """Return the newest finished epoch of each fold in progress, by fold run id."""
        work = self.folder / "mlruns" / "work"
        return sorted(f"{path.parents[1].name}/{path.name}" for path in work.glob("*/last/[0-9]*"))


@contextmanager
def _as_a_process_of_its_own(
    project: Project, module: str, arguments: Sequence[str]
) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Give a command what a new process would have: folder, store, screen, warnings; nothing of it stays."""
    threads = torch.get_num_threads()
    out, err = io.StringIO(newline=None), io.StringIO(newline=None)  # as a pipe is read: a bar's \r ends a line
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)  # as Python does
        patch.setattr(warnings, "showwarning", _show_warning)
        patch.setattr(sys, "argv", [str(project.folder / module / "__main__.py"), *arguments])
        patch.chdir(project.folder)
        step_into(project, patch)
        try:
            yield out, err
        finally:
            torch.set_num_threads(threads)


def _show_warning(message: Warning | str, kind: type[Warning], name: str, line: int, *_: object) -> None:
    print(warnings.formatwarning(message, kind, name, line), end="", file=sys.stderr)


def step_into(project: Project, patch: pytest.MonkeyPatch) -> None:
    """Let this process work in a project and its own store."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        patch.delenv(name, raising=False)
    stand_in(project.folder, patch)
    _source.cache_clear()
    # MLflow remembers by a run's id where its files lie; those of a copy lie elsewhere
    patch.setattr("mlflow.tracking._tracking_service.utils._artifact_repos_cache", OrderedDict())


def copy_database(source: Path, target: Path) -> None:
    """Copy a store's database that this process may have open.

    By SQLite itself: to open and close the file otherwise would drop the locks by which other processes see that
    it is in use, and the last of them to close would take its log away.
    """
    with closing(sqlite3.connect(source)) as database, closing(sqlite3.connect(target)) as copy:
        database.backup(copy)


def _environment() -> dict[str, str]:
    hidden = ("MLFLOW_", "PYTEST_")
    return {key: value for key, value in os.environ.items() if not key.startswith(hidden)}


def read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"fname": str})
