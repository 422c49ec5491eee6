"""A sweep on a Ray cluster of two nodes, one of which dies."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tagging.errors import UserError
from tagging.tracking.store import Store
from tests.project import Project
from tests.tune.cluster import Cluster
from tests.tune.processes import driver_of, ended, wait_for
from tests.tune.sweeps import doubled_points, project, sweep_of
from tune.records import records
from tune.session import ray_session

__all__ = ["project"]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    # short enough for a socket in it, which pytest's own folders are not
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder))
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_trials_of_a_node_that_dies_continue_elsewhere(
    cluster: Cluster, project: Project, connect: Callable[[Project], Store]
) -> None:
    head, second = cluster.nodes
    long = ("--set", "training.epochs=60", "early_stopping.patience=null")  # as long as both nodes need to begin
    arguments = ("search", "lr", "--trials", "2", *long, "--address", cluster.address)
    with driver_of(project, *arguments, environment=cluster.environment) as driver:
        wait_for(lambda: len({epoch.partition("/")[0] for epoch in project.epochs_in_work()}) == 2, driver)
        assert len(head.trials()) == len(second.trials()) == 1
        second.kill()
        out, _ = ended(driver, code=0)
    assert out.count("its worker died; another worker continues it") == 1
    store = connect(project)
    sweep = sweep_of(store)
    trials = records(store, sweep)
    assert [(trial.number, trial.state, trial.epochs) for trial in trials] == [
        (0, "FINISHED", 120),
        (1, "FINISHED", 120),
    ]
    assert {run.status for run in store.find([]) if run.kind != "launch"} == {"FINISHED"}
    for trial in trials:
        assert [fold.tags["fold"] for fold in store.children(trial.run_id)] == ["0", "2"]
        assert list(store.curve(trial.run_id, "search_lwlrap")) == list(range(1, 121))
    assert doubled_points(project) == []
    assert len(head.tree()) > 1  # a guest leaves the cluster as it is


def test_a_cluster_that_was_killed_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as `ray start` leaves it when it is killed
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.2:1")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    started = time.monotonic()
    with pytest.raises(UserError) as caught, ray_session(1, 0, "auto"):
        pass
    assert time.monotonic() - started < 60  # Ray itself goes on asking
    # Ray itself may see another session of this machine first, a sweep's, which lets nobody in
    assert re.fullmatch(
        r"--address auto: no Ray cluster answers at [\d.]+:\d+; "
        r"start one with `ray start --head`, and join it on this machine too \(docs/cluster\.md\)",
        str(caught.value),
    )


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_cluster_that_cannot_be_joined_or_is_too_small_leaves_no_sweep(
    cluster: Cluster, project: Project, connect: Callable[[Project], Store]
) -> None:
    home = cluster.folder / "stranger"
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("0" * 64)
    stranger = {**cluster.environment, "HOME": str(home)}
    with driver_of(project, "search", "lr", "--address", cluster.address, environment=stranger) as driver:
        _, err = ended(driver, code=2)
    assert err.splitlines()[-1] == (
        f"error: --address {cluster.address}: the cluster at {cluster.address} cannot be joined: Failed to connect to "
        f"Ray cluster at {cluster.address}; are ~/.ray/auth_token and the versions of Python and Ray the same on its "
        "head and here?"
    )
    wanting = ("search", "lr", "--cpu", "2", "--address", cluster.address)
    with driver_of(project, *wanting, environment=cluster.environment) as driver:
        _, err = ended(driver, code=2)
    assert err.splitlines() == [
        "sweep lr: 4 trials of tiny",
        "error: a trial is to have 2 CPU cores; the largest node has 1. Give --cpu 1 or less",
    ]
    assert connect(project).find([]) == []
