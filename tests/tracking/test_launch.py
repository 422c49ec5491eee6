from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tagging.tracking.ownership import adopt_launch, link_launch, mark_launch
from tagging.tracking.place import owner_tag
from tagging.tracking.store import Store


def test_the_launch_is_taken_out_of_the_environment() -> None:
    environ = {"MLFLOW_RUN_ID": "abc", "MLFLOW_EXPERIMENT_ID": "0", "MLFLOW_TRACKING_URI": "x"}
    assert adopt_launch(environ) == "abc"
    assert environ == {"MLFLOW_TRACKING_URI": "x"}
    assert adopt_launch(environ) is None
    assert adopt_launch({"MLFLOW_RUN_ID": ""}) is None


def test_taking_the_launch_imports_no_mlflow(python: Callable[..., subprocess.Popen[str]]) -> None:
    process = python("import tagging.tracking.launch, tagging.tracking.environment; assert 'mlflow' not in sys.modules")
    assert (process.communicate(), process.returncode) == (("", ""), 0)


def test_a_launch_is_marked_and_points_to_its_run(store: Store) -> None:
    launch = store.start("Default", "", "able-cat-1", {}, {})
    run = store.start("demo", "experiment", "smoke", {"fingerprint": "f" * 64}, {})
    mark_launch(store, launch.id)
    link_launch(store, launch.id, run)
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
        link_launch(store, launch.id, run)
        assert store.get(launch.id).name == "train smoke"
    named = store.start("Default", "", "my own", {}, {})
    mark_launch(store, named.id)
    link_launch(store, named.id, run)
    assert store.get(named.id).name == "my own"


def test_a_launch_that_is_gone_is_left_alone(store: Store) -> None:
    run = store.start("demo", "experiment", "smoke", {}, {})
    launch = store.start("Default", "launch", "x", {}, {})
    store._client.delete_run(launch.id)
    for launch_id in (launch.id, "0" * 32, "no id/at all"):
        mark_launch(store, launch_id)
        link_launch(store, launch_id, run)
    assert store.find([]) == [run]
