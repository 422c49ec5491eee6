"""A trial in this process: its reports and its traces where it does not come to its end."""

from __future__ import annotations

import itertools
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tagging.tracking.connection import PATIENCE_S
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tests.project import Project
from tests.tracking.test_epochs import outage
from tests.trainings import working_in
from tests.tune.sweeps import SPACE, doubled_points, project
from tune.schema import SweepPlan
from tune.space import load_space
from tune.steps import Preparing, trial_steps
from tune.trial import CrossValidation

__all__ = ["project"]

VALUES = {"optimizer.lr": 3e-3, "mixer.prob": 0.5}


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    with working_in(project) as store:
        yield store


@pytest.fixture
def sweep(store: Store) -> Run:
    return store.start("demo", "sweep", "lr", {}, {})


@pytest.fixture
def plan(project: Project, store: Store, sweep: Run) -> SweepPlan:
    path = project.folder / "tune" / "spaces" / "lr.yaml"
    path.write_text(SPACE.replace("experiment: tiny", f"experiment: {project.folder}/experiments/tiny.yaml"))
    return SweepPlan(sweep.id, sweep.name, load_space(path), None, store.uri)


def test_a_trial_that_a_full_disk_or_the_store_stops_is_interrupted(plan: SweepPlan, store: Store) -> None:
    work_folder().mkdir(parents=True)
    pid_file = work_folder() / f"{plan.sweep_id[:10]}-0.pid"
    pid_file.symlink_to("/dev/full")
    full = CrossValidation({"plan": plan, "number": 0, "values": VALUES}).step()
    assert re.fullmatch(rf"{pid_file}: the disk is full \([\d.]+ MB free\); make room on it\. .*", full.pop("error"))
    assert full == {"interrupted": True, "done": True}
    (experiment,) = MlflowClient(store.uri).search_experiments(filter_string="name = 'demo'")
    MlflowClient(store.uri).delete_experiment(experiment.experiment_id)
    assert CrossValidation({"plan": plan, "number": 0, "values": VALUES}).step() == {
        "error": "the MLflow experiment 'demo' is deleted; bring it back with "
        f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`",
        "interrupted": True,
        "done": True,
    }


def test_a_pruned_trial_leaves_its_whole_curve_though_the_store_was_away(
    plan: SweepPlan, project: Project, store: Store
) -> None:
    steps = trial_steps(plan, 0, VALUES, Preparing())
    first = next(steps)
    with outage(project.folder):
        reports = [next(steps), next(steps)]
        time.sleep(1)  # until both were refused
    steps.close()
    (run,) = store.children(plan.sweep_id, "trial")
    scores = {report["epochs"]: report["lwlrap"] for report in (first, *reports)}
    assert store.curve(run.id, "search_lwlrap") == pytest.approx(scores)
    assert doubled_points(project) == []


def test_a_trial_that_is_left_does_not_wait_for_a_dead_store(plan: SweepPlan, project: Project) -> None:
    steps = trial_steps(plan, 0, VALUES, Preparing())
    next(steps)
    with outage(project.folder):
        next(steps)
        begun = time.monotonic()
        steps.close()
        assert time.monotonic() - begun < PATIENCE_S / 2


def test_the_seconds_of_a_trial_are_those_of_all_its_steps_however_often_it_was_interrupted(
    plan: SweepPlan, store: Store
) -> None:
    first = trial_steps(plan, 0, VALUES, Preparing())
    before = [next(first) for _ in range(5)]  # the last is of its second fold
    first.close()
    time.sleep(1)  # as nobody trains it, none of its time
    second = list(trial_steps(plan, 0, VALUES, Preparing()))
    (run,) = store.children(plan.sweep_id, "trial")
    speeds = [speed for fold in store.children(run.id) for speed in store.curve(fold.id, "samples_per_s").values()]
    assert len(speeds) == 8
    by_epoch = list(itertools.accumulate(32 / speed for speed in speeds))
    assert [report["seconds"] for report in before] == pytest.approx(by_epoch[:5])
    assert [report["seconds"] for report in second] == pytest.approx([*by_epoch[4:], by_epoch[-1]])
    assert run.metrics["trial_seconds"] == pytest.approx(by_epoch[-1])


def test_a_trial_whose_checkpoint_is_elsewhere_does_not_log_its_epochs_again(plan: SweepPlan, store: Store) -> None:
    steps = trial_steps(plan, 7, VALUES, Preparing())
    next(steps)
    steps.close()
    (run,) = store.children(plan.sweep_id, "trial")
    (fold,) = store.children(run.id)
    checkpoint = work_folder() / fold.id
    shutil.rmtree(checkpoint)
    assert CrossValidation({"plan": plan, "number": 7, "values": VALUES}).step() == {
        "error": f"trial 7 has epochs of fold 0 in the store, but its checkpoint {checkpoint} is not on "
        f"{socket.gethostname()}: the machines of a cluster must share that folder (docs/cluster.md), and a trial "
        "whose checkpoint was removed cannot continue",
        "interrupted": False,
        "done": True,
    }
    assert [child.id for child in store.children(run.id)] == [fold.id]
    assert list(store.curve(run.id, "search_lwlrap")) == [1]


def test_a_trial_that_cannot_be_trained_fails(plan: SweepPlan) -> None:
    nowhere = replace(plan, data=Path("/nowhere"))
    report = CrossValidation({"plan": nowhere, "number": 0, "values": VALUES}).step()
    assert "/nowhere" in report.pop("error")
    assert report == {"interrupted": False, "done": True}
