"""What ill-treats a training and what looks at it from outside: kills, full disks, and the store and files it left."""

from __future__ import annotations

import glob
import hashlib
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.project import Project

# what can be seen of a phase: it is under way once something new is seen
Sight = Callable[[Project], set[object]]
RUN_ID = re.compile(r"[0-9a-f]{32}|\b[0-9a-f]{8}\b")


def files(pattern: str) -> Sight:
    """Look for files of a project that are new or were written anew."""

    def look(project: Project) -> set[object]:
        seen: set[object] = set()
        # not `Path.glob`: it fails where a folder goes away between being listed and being entered
        found = glob.glob(f"{glob.escape(str(project.folder))}/{pattern}", recursive=True)  # noqa: PTH207
        for path in map(Path, found):
            try:
                seen.add((path, path.stat().st_mtime_ns))
            except FileNotFoundError:  # gone again
                continue
        return seen

    return look


def rows(query: str) -> Sight:
    """Look for rows of the store."""

    def look(project: Project) -> set[object]:
        return set(_select(project, query)) if (project.folder / "mlflow.db").exists() else set()

    return look


def at_once(project: Project) -> set[object]:
    """Look for nothing: every look is new."""
    return {object()}


@dataclass(frozen=True)
class Aim:
    """A moment to kill at: up to `spread` seconds after the first sight of a phase."""

    sight: Sight
    spread: float = 0.03


ARTIFACTS = "mlruns/demo/*/artifacts"
AIMS = {
    "demo sound": Aim(files("data/.*.partial/*/*")),
    "store being made": Aim(files("mlflow.db.draft"), 0.5),
    "features": Aim(files("data/features/*/*"), 0.2),
    "first epoch": Aim(files(f"{ARTIFACTS}/environment.json"), 0.5),
    "checkpoint": Aim(files("mlruns/work/*/*/.draft/*")),
    "upload": Aim(files(f"{ARTIFACTS}/checkpoints/*/*")),
    "prediction": Aim(files(f"{ARTIFACTS}/predictions/**/*"), 0.1),
    "numbers of a fold": Aim(rows("select run_uuid from metrics where key = 'fold_lwlrap'"), 0.005),
    "end of a fold": Aim(rows("select run_uuid from runs where status = 'FINISHED' and name like '%fold%'"), 0.005),
    "summary": Aim(files(f"{ARTIFACTS}/figures/*"), 0.15),
    "numbers of all folds": Aim(files(f"{ARTIFACTS}/figures/confusions.png"), 0.05),
}


def in_order(rng: random.Random) -> list[str]:
    """Return the aims in the order of a training; the end of its first fold comes anywhere between the epochs."""
    names = [name for name in AIMS if name != "end of a fold"]
    at = rng.randrange(names.index("first epoch"), names.index("summary") + 1)
    return [*names[:at], "end of a fold", *names[at:]]


def start_until(project: Project, sight: Sight) -> subprocess.Popen[str]:
    """Start a training and return it as soon as a phase is seen."""
    before = sight(project)
    process = project.start("train", "tiny")
    while sight(project) <= before:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    return process


def kill_at(project: Project, aim: Aim, rng: random.Random) -> None:
    """Train until the phase is seen, then kill all processes of the training."""
    process = start_until(project, aim.sight)
    time.sleep(rng.uniform(0, aim.spread))
    for victim in [*psutil.Process(process.pid).children(recursive=True), process]:
        victim.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it came to its end first"


def stored(project: Project) -> dict[str, list[tuple[object, ...]]]:
    """Return all that the store holds of its runs but times, places and ids."""
    join = "join runs on runs.run_uuid = t.run_uuid"
    numbers = "select runs.name, t.key, t.step, t.value, t.is_nan from"
    texts = "select runs.name, t.key, t.value from"
    elsewhere = "'owner', 'mlflow.parentRunId', 'mlflow.source.git.commit'"
    tags = _select(project, f"{texts} tags t {join} where t.key not in ({elsewhere}) order by 1, 2")
    named = _named(project)
    ours = "t.key != 'samples_per_s' and t.key not like 'system/%'"  # neither speed nor the load of the machine
    return {
        "runs": _select(project, "select name, status, lifecycle_stage from runs order by 1, 2"),
        "points": _select(project, f"{numbers} metrics t {join} where {ours} order by 1, 2, 3"),
        "latest": _select(project, f"{numbers} latest_metrics t {join} where {ours} order by 1, 2"),
        "params": _select(project, f"{texts} params t {join} order by 1, 2"),
        "tags": [(name, key, named(str(value))) for name, key, value in tags],
        "inputs": _select(
            project,
            "select runs.name, d.name, d.digest, t.value from inputs i join runs on runs.run_uuid = i.destination_id "
            "join datasets d on d.dataset_uuid = i.source_id join input_tags t on t.input_uuid = i.input_uuid "
            "order by 1, 4",
        ),
        "speeds": _select(
            project, f"select runs.name, count(*) from metrics t {join} where t.key = 'samples_per_s' group by 1"
        ),
    }


def left(project: Project) -> dict[str, str]:
    """Return every file and folder a training left, ids replaced by names, with a digest of tables and weights."""
    found, named = {}, _named(project)
    for top in ("data", "mlruns"):
        for path in (project.folder / top).rglob("*"):
            name = named(str(path.relative_to(project.folder)))
            name = re.sub(r"^data/features/[0-9a-f]{16}", "data/features/KEY", name)
            whole = path.suffix in (".parquet", ".safetensors", ".bin", ".wav", ".png")
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if whole else ""
    return found


def check_equal(project: Project, unbroken: Project) -> None:
    """Check that a training left the same as one that nothing disturbed."""
    ours, theirs = stored(project), stored(unbroken)
    for part, expected in theirs.items():
        assert ours[part] == expected, part
    assert left(project) == left(unbroken)
    assert not list(project.folder.glob("mlflow.db.draft*"))


@contextmanager
def locked(project: Project) -> Iterator[None]:
    """Hold the store as a process does that never lets go: others can read it and not write to it."""
    with closing(sqlite3.connect(project.folder / "mlflow.db", timeout=30, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
        database.execute("ROLLBACK")


class Disk:
    """A small disk of its own, mounted on a folder; only root can."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", "size=1g", "tmpfs", str(folder))

    def resize(self, size: int) -> None:
        """Give it so many bytes, rounded up to whole pages."""
        _mount("-o", f"remount,size={size}", str(self.folder))

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def pages(project: Project, pattern: str) -> int:
    """Return how many bytes some files, or all in some folders, of a project take on a disk of 4 kB pages."""
    places = list(project.folder.glob(pattern))
    files = [path for place in places for path in (place, *place.rglob("*")) if path.is_file()]
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in files)


def _named(project: Project) -> Callable[[str], str]:
    """Return what puts names in the place of run ids, whole and short ones, in a text."""
    names: dict[str, str] = {}
    for run_id, name in _select(project, "select run_uuid, name from runs"):
        names |= {str(run_id): str(name), str(run_id)[:8]: str(name)}
    return lambda text: RUN_ID.sub(lambda match: names.get(match[0], match[0]), text)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def _select(project: Project, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(project.folder / "mlflow.db", timeout=20)) as database:
        return database.execute(query).fetchall()
