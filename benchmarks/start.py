"""Start: how long a person waits for each command's first line and for its end, and what a training asks of the store.

Processor seconds, which a busy machine changes little; the least of several starts.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
TINY = """\
base: base
data: {kind: demo}
demo: {curated: 36, noisy: 12, test: 8}
folds: {count: 3}
features: {n_mels: 32}
sampling: {batch_size: 8, draws_per_epoch: 32, frames: 64}
model: {base_size: 2, cbam_ratio: 4}
training: {epochs: 3}
predict: {tile_step: 32, batch_size: 16}
threads: 1
"""
SPACE = """\
experiment: tiny
space: {optimizer.lr: {kind: loguniform, low: 1e-3, high: 1e-2}}
trials: 2
folds: [0]
"""
OPEN = "from tagging.tracking.store import Store; Store.connect()"
OPENED = """\
import time
from tagging.tracking.store import Store
begun = time.process_time()
Store.connect()
print(time.process_time() - begun)
"""
COUNT = """\
import sys
from tagging.tracking.connection import Connection
call, calls = Connection.call, []
def counted(self, function, *args, **kwargs):
    calls.append(function)
    return call(self, function, *args, **kwargs)
Connection.call = counted
from tagging.cli import main
main(sys.argv[1:])
print("calls", len(calls))
"""


@dataclass(frozen=True)
class Command:
    """A command of Python, its exit status, and what must come out in processor seconds; None: nothing is asked."""

    name: str
    arguments: Sequence[str]
    code: int = 0
    first_line: float | None = 1.0
    whole: float | None = None


def tagging(*arguments: str) -> list[str]:
    """Return the arguments of Python for a command of the command line."""
    return ["-m", "tagging", *arguments]


COMMANDS = (
    Command("--help", tagging("--help")),
    Command("show runs", tagging("show", "runs"), whole=2.5),
    Command("train tiny, trained before", tagging("train", "tiny"), whole=3.0),
    Command("submit", tagging("submit"), whole=3.5),
    Command("predict --run tiny FOLDER", tagging("predict", "--run", "tiny", "data/sound")),
    Command("select --min 1", tagging("select", "--min", "1")),
    Command("train tiny --data nowhere", tagging("train", "tiny", "--data", "nowhere"), code=2, whole=1.0),
    Command("predict --run tiny nowhere", tagging("predict", "--run", "tiny", "nowhere"), code=2, whole=1.0),
    Command("predict --run unknown", tagging("predict", "--run", "unknown"), code=2),
    Command("a store opened, import included", ["-c", OPEN], first_line=None),
)


def main() -> None:
    """Print a line a command, then the start of a sweep, then the calls of a training."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout, each of whose commands is started in turn")
    parser.add_argument("--starts", type=int, default=3, help="of each command (default: 3)")
    given = parser.parse_args()
    checkouts = [ROOT, *([given.against.resolve()] if given.against else [])]
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        projects = [copy_project(checkout, Path(folder) / str(place)) for place, checkout in enumerate(checkouts)]
        print(f"{'processor seconds':<34}" + f"{'first line':>11}{'asked':>7}{'whole':>8}{'asked':>7}" * len(projects))
        new = Command("a store made, import included", ["-c", OPEN], first_line=None)
        show(new, [started(project, new) for project in projects])
        train = Command("train tiny", tagging("train", "tiny"))
        show(train, [started(project, train) for project in projects])
        for project in projects:
            (sound,) = (project / "data").glob("demo-*/test")
            shutil.copytree(sound, project / "data" / "sound")
        for command in COMMANDS:
            show(command, _least([[started(project, command) for project in projects] for _ in range(given.starts)]))
        sweeps = [[sweep(project, f"sweep{number}") for project in projects] for number in range(given.starts)]
        show(Command("a sweep, to its first epoch", [], whole=10.0), _least(sweeps))
        for project in projects:
            with running(project, ["-c", OPENED]) as process:
                print(f"a store opened where MLflow is imported: {float(process.communicate()[0]):.2f}")
            several, one = (calls(project, folds) for folds in ("[]", "[0]"))
            print(f"calls to the store: {several} a training of 3 folds, {(several - one) / 2:g} a fold")


def _least(rounds: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Return the least seconds of each project, up to the first line and in all, over rounds that went in turn."""
    return [(min(first for first, _ in runs), min(whole for _, whole in runs)) for runs in zip(*rounds, strict=True)]


def copy_project(source: Path, folder: Path) -> Path:
    """Copy what the commands need, so that nothing of them stays in the project."""
    folder.mkdir()
    for name in ("tagging", "experiments", "tune"):
        shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "experiments" / "tiny.yaml").write_text(TINY)
    (folder / "tune" / "spaces" / "start.yaml").write_text(SPACE)
    compiled = [sys.executable, "-m", "compileall", "-q", str(folder / "tagging"), str(folder / "tune")]
    subprocess.run(compiled, check=True)
    return folder


def started(project: Path, command: Command) -> tuple[float, float]:
    """Run a command; return its processor seconds up to its first line, NaN without one, and in all."""
    with running(project, command.arguments) as process:
        assert process.stdout is not None
        first = spent(process.pid) if process.stdout.readline() else float("nan")
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != command.code:
        raise SystemExit(f"{command.arguments} ended with {process.returncode}:\n{said}")
    return first, used.ru_utime + used.ru_stime


def sweep(project: Path, name: str) -> tuple[float, float]:
    """Start a sweep; return its processor seconds up to its first line and up to its first checkpoint, Ray included."""
    arguments = ["-m", "tune", "search", "start", "--name", name, "--seed", "1", "--at-once", "1"]
    with running(project, arguments) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = spent(process.pid)
        while not list((project / "mlruns" / "work").glob("*/last/[0-9]*")):
            if process.poll() is not None:
                raise SystemExit(f"the sweep ended with {process.returncode}:\n{process.stdout.read()}")
            time.sleep(0.02)
        whole = sum(spent(one.pid) for one in [*psutil.Process(process.pid).children(recursive=True), process])
        process.send_signal(signal.SIGINT)
        process.communicate()
    shutil.rmtree(project / "mlruns" / "work", ignore_errors=True)
    return first, whole


def calls(project: Path, folds: str) -> int:
    """Return how often a training of these folds calls the store."""
    arguments = ["-c", COUNT, "train", "tiny", "--set", f"training.folds={folds}", f"seed={len(folds)}"]
    with running(project, arguments) as process:
        said, _ = process.communicate()
    found = re.search(r"^calls (\d+)$", said, re.MULTILINE)
    if found is None:
        raise SystemExit(said)
    return int(found[1])


@contextmanager
def running(project: Path, arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Run Python in the project with a store of its own; stdout and stderr come as one text."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process


def spent(pid: int) -> float:
    """Return the processor seconds of a process and of its ended children; 0 where it is gone."""
    with suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def show(command: Command, seconds: Sequence[tuple[float, float]]) -> None:
    """Print a line of the table: each project's seconds."""
    asked = ["" if limit is None else f"{limit:g}" for limit in (command.first_line, command.whole)]
    columns = [f"{first:>11.2f}{asked[0]:>7}{whole:>8.2f}{asked[1]:>7}" for first, whole in seconds]
    print(f"{command.name:<34}" + "".join(columns), flush=True)


if __name__ == "__main__":
    main()
