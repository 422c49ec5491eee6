from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.errors import UserError
from tagging.tracking.ownership import (
    adopt_launch,
    close_abandoned,
    is_alive,
    link_launch,
    mark_launch,
    own,
    process_start,
)
from tagging.tracking.place import owner_tag, work_folder
from tagging.tracking.store import Run, Store

Python = Callable[..., subprocess.Popen[str]]

HOLD = """
import time
from tagging.tracking.ownership import own
with own(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(python: Python, fingerprint: str) -> subprocess.Popen[str]:
    process = python(HOLD, fingerprint)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def begin(store: Store, fingerprint: str = "", kind: str = "experiment", parent: Run | None = None, **tags: str) -> Run:
    if fingerprint:
        tags["fingerprint"] = fingerprint
    return store.start("demo", kind, kind, tags, {}, parent)


def test_work_lies_in_one_folder_that_the_owner_names(project: Path) -> None:
    assert work_folder() == project / "mlruns" / "work"
    assert owner_tag() == f"{os.uname().nodename}:{project}/mlruns/work"


def test_a_second_owner_is_told_who_the_first_is_and_a_killed_one_leaves_nothing(project: Path, python: Python) -> None:
    first = holding(python, "f" * 64)
    with own("e" * 64):
        pass
    with pytest.raises(UserError) as error, own("f" * 64):
        pass
    assert error.value.problems == (
        f"already running, pid {first.pid}: the same training is in progress; "
        f"wait for its end, or stop it with `kill {first.pid}`",
    )
    kill(first)
    with own("f" * 64):
        assert (work_folder() / f"{'f' * 16}.pid").exists()
    assert not (work_folder() / f"{'f' * 16}.pid").exists()


def test_the_same_process_does_not_own_twice(project: Path) -> None:
    with own("a" * 64):
        with pytest.raises(UserError, match=f"already running, pid {os.getpid()}: "), own("a" * 64):
            pass
        assert (work_folder() / f"{'a' * 16}.pid").exists()


def test_a_holder_that_soon_ends_is_waited_for_where_there_is_patience(project: Path, python: Python) -> None:
    first = holding(python, "f" * 64)
    timer = threading.Timer(1, os.kill, (first.pid, signal.SIGKILL))
    timer.start()
    with own("f" * 64, patience=30):
        holder = json.loads((work_folder() / f"{'f' * 16}.pid").read_text())
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    assert holder["pid"] == os.getpid()


def test_a_holder_on_another_host_is_named_with_it(project: Path, python: Python) -> None:
    first = holding(python, "f" * 64)
    noted = {"pid": first.pid, "start": 0.0, "host": "node2"}
    (work_folder() / f"{'f' * 16}.pid").write_text(json.dumps(noted))
    with pytest.raises(UserError) as error, own("f" * 64):
        pass
    assert error.value.problems == (
        f"already running, pid {first.pid} on node2: the same training is in progress; "
        f"wait for its end, or stop it on node2 with `kill {first.pid}`",
    )
    kill(first)


LOOK = """
import time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(1)
"""


def test_a_lock_that_is_held_for_a_moment_only_is_waited_for(project: Path, python: Python) -> None:
    work_folder().mkdir(parents=True)
    process = python(LOOK, str(work_folder() / f"{'a' * 16}.lock"))
    assert process.stdout
    process.stdout.readline()
    with own("a" * 64):
        pass
    process.communicate()


def test_a_process_is_known_by_its_pid_and_start() -> None:
    start = process_start(os.getpid())
    assert start
    assert abs(time.time() - start) < 3600
    assert is_alive(os.getpid(), start)
    assert not is_alive(os.getpid(), start - 60)
    assert process_start(2**22 + 1) is None


TRAIN = """
import time
from tagging.tracking.ownership import link_launch, mark_launch
from tagging.tracking.ownership import own
from tagging.tracking.store import Store
store, fingerprint = Store.connect(), sys.argv[1]
launch = store.start("demo", "launch", "launch", {}, {})
mark_launch(store, launch.id)
with own(fingerprint):
    parent = store.start("demo", "experiment", "a", {"fingerprint": fingerprint}, {})
    link_launch(store, parent)
    fold = store.start("demo", "fold", "fold 0", {}, {}, parent)
    done = store.start("demo", "fold", "fold 1", {}, {}, parent)
    store.finish(done.id, "FINISHED")
    print(launch.id, parent.id, fold.id, done.id, flush=True)
    time.sleep(60)
"""


def test_runs_of_a_killed_training_are_ended_and_living_ones_are_left(store: Store, python: Python) -> None:
    process = python(TRAIN, "c" * 64)
    assert process.stdout
    launch, parent, fold, done = process.stdout.readline().split()
    assert close_abandoned(store) == []
    kill(process)
    assert {run.id for run in close_abandoned(store)} == {launch, parent, fold}
    for run_id in (launch, parent, fold):
        run = store.get(run_id)
        assert (run.status, run.tags["state"]) == ("KILLED", "ABANDONED")
    assert (store.get(done).status, store.get(done).tags.get("state")) == ("FINISHED", None)
    assert close_abandoned(store) == []


def test_a_run_that_another_process_has_taken_up_again_is_left(store: Store, python: Python) -> None:
    parent = begin(store, "d" * 64)
    fold = begin(store, kind="fold", parent=parent)
    process = holding(python, "d" * 64)
    assert close_abandoned(store) == []
    kill(process)
    assert [run.id for run in close_abandoned(store)] == [fold.id, parent.id]


def test_what_this_process_holds_is_left(store: Store) -> None:
    begin(store, "a" * 64)
    with own("a" * 64):
        assert close_abandoned(store) == []


def test_what_cannot_be_judged_from_here_is_left(store: Store) -> None:
    elsewhere = begin(store, "a" * 64)
    store.set_tags(elsewhere.id, {"owner": "elsewhere:/x/mlruns/work"})
    begin(store)  # no fingerprint
    begin(store, kind="launch")  # no pid
    begin(store, "a" * 64, kind="report")
    orphan = begin(store, "b" * 64)
    begin(store, kind="fold", parent=orphan)
    store._client.delete_run(orphan.id)
    assert close_abandoned(store) == []


def test_the_launch_is_taken_out_of_the_environment() -> None:
    environ = {"MLFLOW_RUN_ID": "abc", "MLFLOW_EXPERIMENT_ID": "0", "MLFLOW_TRACKING_URI": "x"}
    assert adopt_launch(environ) == "abc"
    assert environ == {"MLFLOW_TRACKING_URI": "x"}
    assert adopt_launch(environ) is None
    assert adopt_launch({"MLFLOW_RUN_ID": ""}) is None


def test_taking_the_launch_imports_no_mlflow(python: Callable[..., subprocess.Popen[str]]) -> None:
    process = python(
        "import tagging.tracking.ownership, tagging.tracking.provenance; assert 'mlflow' not in sys.modules"
    )
    assert (process.communicate(), process.returncode) == (("", ""), 0)


def test_a_launch_is_marked_and_points_to_its_run(store: Store) -> None:
    launch = store.start("Default", "", "able-cat-1", {}, {})
    run = store.start("demo", "experiment", "smoke", {"fingerprint": "f" * 64}, {})
    mark_launch(store, launch.id)
    link_launch(store, run)
    tags = store.get(launch.id).tags
    assert (tags["kind"], tags["owner"], tags["pid"]) == ("launch", owner_tag(), str(os.getpid()))
    assert float(tags["pid.start"]) > 0
    assert (tags["launch.run"], tags["fingerprint"]) == (run.id, "f" * 64)
    assert tags["mlflow.note.content"] == f"Launched [smoke](#/experiments/{run.experiment_id}/runs/{run.id})."


def test_a_launch_is_named_after_what_it_does(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/tagging/__main__.py", "train", "smoke", "--set", "seed=1"])
    run = store.start("demo", "experiment", "smoke", {}, {})
    launch = store.start("Default", "", "bemused-cod-199", {}, {})
    mark_launch(store, launch.id)
    assert store.get(launch.id).name == "train"
    for _ in range(2):  # once as it starts and once as it ends
        link_launch(store, run)
        assert store.get(launch.id).name == "train smoke"
    named = store.start("Default", "", "my own", {}, {})
    mark_launch(store, named.id)
    link_launch(store, run)
    assert store.get(named.id).name == "my own"


def test_a_launch_that_is_gone_is_left_alone(store: Store) -> None:
    run = store.start("demo", "experiment", "smoke", {}, {})
    launch = store.start("Default", "launch", "x", {}, {})
    store._client.delete_run(launch.id)
    for launch_id in (launch.id, "0" * 32, "no id/at all"):
        mark_launch(store, launch_id)
        link_launch(store, run)
    assert store.find([]) == [run]
