"""A copy of the project in a folder of its own, used as a user does: by its command line."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
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
training: {epochs: 3}
predict: {tile_step: 32, batch_size: 16, noisy: true}
threads: 1
"""


class Project:
    """A checkout with an experiment `tiny`; commands run in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("tagging", "experiments", "tune"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("MLproject", "conda.yaml", "requirements.txt"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "experiments" / "tiny.yaml").write_text(TINY)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"

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

    def run(self, *arguments: str, code: int = 0, module: str = "tagging") -> subprocess.CompletedProcess[str]:
        """Run `python -m MODULE` with these arguments and expect this exit status."""
        process = self.start(*arguments, module=module)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, f"{out}\n{err}"
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

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
