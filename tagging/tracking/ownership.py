"""Who works on what: a lock for each training in progress, the end of runs whose process died, and `mlflow run`.

Imports no MLflow at its top: MLflow must not see the variables that `adopt_launch` takes away.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock, Timeout

from tagging.contract import KINDS, Kind, Tag
from tagging.errors import UserError, room_in
from tagging.tracking.place import owner_tag, work_folder
from tagging.tracking.run import Run, clause

if TYPE_CHECKING:
    from tagging.tracking.store import Store

PROBE_S = 10.0  # longest time for which another process may hold a lock only to end abandoned runs
MADE_UP = re.compile(r"[a-z]+-[a-z]+-\d+")  # the names that MLflow gives: bemused-cod-199
SAME_START_S = 2.0  # the start time of a process moves a little when the clock is set


@contextmanager
def own(fingerprint: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a fingerprint, without which nobody trains it; the end of the process frees it in any case.

    Waits `patience` seconds for another process that holds it, then raises UserError with its pid.
    """
    lock = _lock(fingerprint)
    begun = time.monotonic()
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            holder = _holder(fingerprint)
            if time.monotonic() - begun > (patience if holder else max(patience, PROBE_S)):
                raise _taken(holder) from None
    pid_file = _file(fingerprint, "pid")
    try:
        with room_in(pid_file):
            noted = {"pid": os.getpid(), "start": process_start(os.getpid()), "host": socket.gethostname()}
            pid_file.write_text(json.dumps(noted))
        yield
    finally:
        pid_file.unlink(missing_ok=True)
        lock.release()


def process_start(pid: int) -> float | None:
    """Return when a process started, in seconds since 1970; None if there is no such process."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(pid: int, start: float) -> bool:
    """Tell whether the process with this pid and start time still runs on this machine."""
    now = process_start(pid)
    return now is not None and abs(now - start) < SAME_START_S


def close_abandoned(store: Store) -> list[Run]:
    """End the runs of this machine and work folder that are RUNNING though no process works on them.

    They become KILLED with the tag `state = ABANDONED`; a run is alive as long as its lock (its parent's, for
    a child), which its tag `lock` or its fingerprint names, or, for a launch, its process is. Returns the runs
    that were ended.
    """
    found = store.find(["attributes.status = 'RUNNING'", clause("tags.owner", owner_tag())])
    running = [run for run in found if run.kind in KINDS]
    closed = [_end(store, run) for run in running if run.kind == Kind.LAUNCH and _launch_is_dead(run)]
    for fingerprint, runs in _by_fingerprint(store, running).items():
        # Held while the runs are ended, so that no process can continue one of them in between.
        with suppress(Timeout), _lock(fingerprint).acquire(timeout=0):
            closed += [_end(store, run) for run in runs if store.get(run.id).status == "RUNNING"]
    return closed


def _by_fingerprint(store: Store, running: list[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in running:
        fingerprint = run.tags.get(Tag.LOCK) or run.tags.get(Tag.FINGERPRINT, "")
        if not fingerprint and run.parent_id:
            with suppress(UserError):  # a parent that was deleted
                fingerprint = store.get(run.parent_id).tags.get(Tag.FINGERPRINT, "")
        if fingerprint and run.kind != Kind.LAUNCH:
            groups[fingerprint].append(run)
    return groups


def _launch_is_dead(run: Run) -> bool:
    try:
        return not is_alive(int(run.tags["pid"]), float(run.tags["pid.start"]))
    except (KeyError, ValueError):
        return False


def _end(store: Store, run: Run) -> Run:
    store.set_tags(run.id, {Tag.STATE: "ABANDONED"})
    store.finish(run.id, "KILLED")
    return run


def _lock(fingerprint: str) -> FileLock:
    return FileLock(_file(fingerprint, "lock"))


def _file(fingerprint: str, suffix: str) -> Path:
    work_folder().mkdir(parents=True, exist_ok=True)
    return work_folder() / f"{fingerprint[:16]}.{suffix}"


def _holder(fingerprint: str) -> tuple[int, str] | None:
    """Return pid and host of the process that holds a lock; whether it lives can be seen on this host alone."""
    try:
        noted = json.loads(_file(fingerprint, "pid").read_text())
        here = noted["host"] == socket.gethostname()
        return (noted["pid"], noted["host"]) if not here or is_alive(noted["pid"], noted["start"]) else None
    except (OSError, ValueError, KeyError, TypeError):  # not there, or being written just now
        return None


def _taken(holder: tuple[int, str] | None) -> UserError:
    if holder is None:
        who, stop = "pid unknown", f"look for a process that holds a lock in {work_folder()}"
    else:
        pid, host = holder
        there = "" if host == socket.gethostname() else f" on {host}"
        who, stop = f"pid {pid}{there}", f"stop it{there} with `kill {pid}`"
    return UserError(f"already running, {who}: the same training is in progress; wait for its end, or {stop}")


def adopt_launch(environ: MutableMapping[str, str]) -> str | None:
    """Take MLflow's own run out of the environment, so that neither we nor a worker resume it.

    Returns its id, None if the program was not started by `mlflow run`. Call it first of all.
    """
    environ.pop("MLFLOW_EXPERIMENT_ID", None)
    return environ.pop("MLFLOW_RUN_ID", None) or None


def mark_launch(store: Store, launch_id: str) -> None:
    """Tag MLflow's own run as the launch of this process, and name it after the command.

    A name that somebody gave with --run-name stays. Nothing happens where that run is gone.
    """
    store.launch, pid = launch_id, os.getpid()
    tags = {Tag.KIND: Kind.LAUNCH, Tag.OWNER: owner_tag(), "pid": pid, "pid.start": process_start(pid)}
    with suppress(UserError):
        store.set_tags(launch_id, tags)
        if MADE_UP.fullmatch(store.get(launch_id).name):
            store.rename(launch_id, _command())


def link_launch(store: Store, run: Run) -> None:
    """Under `mlflow run`, point MLflow's own run to the run that came of it; one that is gone is left alone."""
    if store.launch is None:
        return
    tags = {"launch.run": run.id, Tag.NOTE: f"Launched [{run.name}]({run.link})."}
    if Tag.FINGERPRINT in run.tags:
        tags[Tag.FINGERPRINT] = run.tags[Tag.FINGERPRINT]
    with suppress(UserError):
        store.set_tags(store.launch, tags)
        if store.get(store.launch).name == _command():
            store.rename(store.launch, f"{_command()} {run.name}")


def _command() -> str:
    """Return the command of this process, such as train."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "launch")
