"""Whole sweeps, by the command line, in this process: kept, killed, continued, failing."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState

from tagging.contract import Metric
from tagging.tracking.store import Store
from tests.contract import check_contract
from tests.project import Project
from tests.tune.in_process import InProcess, WorkerDied, killed_at
from tests.tune.sweeps import (
    OF_OWN_CODE,
    OWN_CODE,
    SPACE,
    STOPPING,
    begun,
    check_pruned,
    doubled_points,
    ended,
    finished,
    outcome,
    own_code,
    space_file,
    sweep_of,
)
from tune.records import best, records

pytestmark = pytest.mark.usefixtures("in_process", "no_figures")

Connect = Callable[[Project], Store]
SHORT = ("--folds", "0", "--set", "training.epochs=1")
QUICK = SPACE.replace("training.epochs: 4", "training.epochs: 3, sampling.draws_per_epoch: 16")


@pytest.fixture
def project(sound: Path, tmp_path: Path) -> Project:
    return begun(tmp_path / "project", sound, QUICK)


def test_a_killed_sweep_ends_after_resume_as_one_that_was_not(
    project: Project, connect: Connect, in_process: InProcess, tmp_path: Path
) -> None:
    amid = killed_at(in_process, project, tmp_path, lambda: bool(finished(project) and project.epochs_in_work()))
    said = project.run("search", "lr", "--trials", "3", module="tune").stdout
    assert in_process.most_at_once == min(3, int(in_process.room["CPU"]))
    store = connect(project)
    for run in store.find([]):
        check_contract(store, run, pictures=False)
    sweep = sweep_of(store)
    expected = records(store, sweep)
    winner = best(expected)
    assert winner is not None
    assert f"best: trial {winner.number} with lwlrap {winner.lwlrap:.4f}" in said
    assert [(trial.number, trial.state, trial.epochs) for trial in expected] == [
        (number, "FINISHED", 6) for number in range(3)
    ]
    assert not (project.folder / "mlruns" / "work" / sweep.id).exists()

    (killed,) = amid
    before = finished(killed)
    assert 1 <= len(before) < 3
    refused = killed.run("search", "lr", module="tune", code=2)
    assert refused.stdout.splitlines()[-1] == (
        f"run lr ({sweep.id[:8]}) was left RUNNING by a process that died; it is marked as KILLED"
    )
    assert refused.stderr.splitlines()[-1] == (
        f"error: the sweep lr ({sweep.id[:8]}) is not finished; continue it by `python -m tune search --resume "
        f"{sweep.id[:8]}`, or give the new one another name with --name"
    )
    space = space_file(killed)
    space.write_text(QUICK.replace("high: 1e-2", "high: 2e-2"))
    changed = killed.run("search", "--resume", "lr", module="tune", code=2)
    assert changed.stderr.splitlines()[-1] == (
        f"error: the space {space} was changed since the sweep lr ({sweep.id[:8]}) began; take the change back, "
        f"or begin a new sweep with it: python -m tune search {space} --name NAME"
    )
    space.unlink()  # what the sweep holds of it is enough
    said = killed.run("search", "--resume", "lr", module="tune").stdout
    assert f"{space} is missing; the sweep continues with the space in its run" in said
    store = connect(killed)
    trials = records(store, sweep_of(store))
    assert outcome(trials) == outcome(expected)
    assert before <= {trial.run_id for trial in trials}
    assert {run.status for run in store.find([]) if run.kind != "launch"} == {"FINISHED"}
    assert doubled_points(killed) == []


def test_a_killed_sweep_that_stops_trials_stops_the_same_and_learns_the_same(
    sound: Path, connect: Connect, in_process: InProcess, tmp_path: Path
) -> None:
    project = begun(tmp_path / "project", sound, STOPPING)
    left = killed_at(
        in_process,
        project,
        tmp_path,
        lambda: len(ended(project)) >= 3 and len(project.epochs_in_work()) >= 1,
    )
    project.run("search", "lr", module="tune")
    assert in_process.most_at_once == 1
    store = connect(project)
    expected = records(store, sweep_of(store))
    assert {trial.state for trial in expected} == {"FINISHED", "PRUNED"}
    for trial in expected:
        if trial.state == "PRUNED":
            check_pruned(store, trial, planned=8)
    (killed,) = left
    assert 3 <= len(ended(killed)) < 7
    killed.run("search", "--resume", "lr", module="tune")
    store = connect(killed)
    sweep = sweep_of(store)
    trials = records(store, sweep)
    assert outcome(trials) == outcome(expected)
    assert doubled_points(killed) == []
    study = optuna.load_study(study_name="lr", storage=f"sqlite:///{store.fetch(sweep.id, 'study.db')}")
    states = {"FINISHED": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED}
    assert {one.user_attrs["trial"]: one.state for one in study.trials} == {
        trial.number: states[trial.state] for trial in trials
    }


GRID = """\
experiment: tiny
space:
  optimizer.lr: {kind: choice, options: [1e-3, 1e-2]}
  loss.curated.weight: {kind: choice, options: [1, 1e39]}
set: {predict.noisy: false, training.epochs: 2, sampling.draws_per_epoch: 16}
searcher: {kind: grid}
scheduler: {kind: median, grace: 1}
trials: 4
folds: [1]
"""


def test_a_failing_trial_does_not_end_a_sweep(sound: Path, connect: Connect, tmp_path: Path) -> None:
    project = begun(tmp_path / "project", sound, GRID)
    project.run("search", "lr", module="tune")
    store = connect(project)
    assert sweep_of(store).status == "FINISHED"
    trials = records(store, sweep_of(store))
    tried = [(trial.values["optimizer.lr"], trial.values["loss.curated.weight"]) for trial in trials]
    assert sorted(tried) == [(1e-3, 1), (1e-3, 1e39), (1e-2, 1), (1e-2, 1e39)]
    assert all((trial.state == "FAILED") == (weight > 1) for trial, (_, weight) in zip(trials, tried, strict=True))
    assert {run.status for run in store.find([])} == {"FINISHED", "FAILED"}

    sweep = sweep_of(store)
    again = project.run("search", "--resume", "lr", "--trials", "9", module="tune")
    assert again.stderr == "looking for the sweep lr\n"
    assert again.stdout.splitlines()[0] == (f"the sweep lr ({sweep.id[:8]}) is finished with 4 trials, the whole grid")
    assert again.stdout.splitlines()[2].startswith("best: trial ")
    assert store.get(sweep.id) == sweep
    assert json.loads(store.read_text(sweep.id, "space.json"))["space"]["trials"] == 4


def test_a_search_whose_trials_all_fail_fails_with_their_common_error(
    sound: Path, connect: Connect, tmp_path: Path
) -> None:
    project = begun(tmp_path / "project", sound, GRID.replace("[1, 1e39]", "[1e39, 1e38]"))
    err = project.run("search", "lr", module="tune", code=2).stderr
    store = connect(project)
    sweep = sweep_of(store)
    trials = records(store, sweep)
    assert [trial.state for trial in trials] == ["FAILED"] * 4
    assert err.splitlines()[-3:] == [
        "error: no trial was finished: 4 failed",
        f"error: the most common error (4 of 4): {trials[0].error}",
        "error: change what the trials have in common, the space or the experiment, and begin a new sweep with "
        "--name NAME",
    ]
    assert trials[0].error.startswith("the training loss is ")
    assert sweep.status == "FAILED"
    assert sweep.tags["error"].startswith("no trial was finished: 4 failed\nthe most common error (4 of 4): ")
    assert "tables/trials.parquet" in store.list_files(sweep.id)


def test_a_network_of_the_users_own_of_a_wrong_shape_stops_a_sweep_as_it_stops_a_training(
    sound: Path, connect: Connect, tmp_path: Path
) -> None:
    project = begun(tmp_path / "project", sound, OF_OWN_CODE)
    path = own_code(project, OWN_CODE.replace("nn.Linear(width, num_classes)", "nn.Linear(width, 7)"))
    said = (
        f"error: model: {path}:5: Own returns [4, 7] of 4 clips and 3 classes; it must return 1 times [4, 3] "
        "(model.heads)"
    )
    assert project.run("search", "lr", module="tune", code=2).stderr.splitlines()[-1] == said
    assert project.run("train", "own", code=2).stderr.splitlines()[-1] == said
    assert connect(project).find([]) == []
    assert not (project.folder / "mlruns").exists()


def test_a_trial_with_a_network_of_a_wrong_shape_fails_in_the_words_of_a_training(
    sound: Path, connect: Connect, tmp_path: Path
) -> None:
    project = begun(tmp_path / "project", sound, OF_OWN_CODE)
    path = own_code(project, OWN_CODE.replace("(width, num_classes)", "(width, num_classes + width - 2)"))
    project.run("search", "lr", module="tune")
    store = connect(project)
    good, wrong = sorted(records(store, sweep_of(store)), key=lambda trial: trial.values["model.arguments.width"])
    assert (good.state, good.epochs, wrong.state) == ("FINISHED", 2, "FAILED")
    assert wrong.error == (
        f"model: {path}:5: Own returns [4, 4] of 4 clips and 3 classes; it must return 1 times [4, 3] (model.heads)"
    )


def test_a_worker_that_dies_is_replaced_and_its_trial_continues(
    project: Project, connect: Connect, in_process: InProcess
) -> None:
    dead: list[int] = []

    def die(number: int) -> None:
        if not dead and project.epochs_in_work():
            dead.append(number)
            raise WorkerDied

    in_process.before_step = die
    said = project.run("search", "lr", "--trials", "1", "--folds", "0", module="tune").stdout
    assert dead == [0]
    assert said.count("trial 0: its worker died; another worker continues it\n") == 1
    store = connect(project)
    (trial,) = records(store, sweep_of(store))
    assert (trial.state, trial.epochs) == ("FINISHED", 3)
    assert doubled_points(project) == []


def test_a_worker_that_dies_before_its_trial_starts_is_replaced(
    project: Project, connect: Connect, in_process: InProcess
) -> None:
    dead: list[int] = []

    def die(number: int) -> None:
        if len(dead) < 2:
            dead.append(number)
            raise WorkerDied

    in_process.before_start = die
    said = project.run("search", "lr", "--trials", "1", *SHORT, module="tune").stdout
    assert dead == [0, 0]
    assert said.count("trial 0: its worker died; another worker continues it\n") == 2
    store = connect(project)
    (trial,) = records(store, sweep_of(store))
    assert (trial.state, trial.epochs) == ("FINISHED", 1)
    assert project.run("search", "--resume", "lr", module="tune").stdout.splitlines()[0] == (
        f"the sweep lr ({sweep_of(store).id[:8]}) is finished with 1 trial; --trials N adds more"
    )


@pytest.mark.parametrize("epochs", [0, 1], ids=["before it has a run", "amid epochs"])
def test_a_third_crash_of_its_worker_leaves_a_trial_for_resume(
    epochs: int, project: Project, connect: Connect, in_process: InProcess
) -> None:
    dead: list[int] = []

    def die(number: int) -> None:
        if len(dead) < 3 and len(project.epochs_in_work()) >= epochs:
            dead.append(number)
            raise WorkerDied

    in_process.before_step = die
    err = project.run("search", "lr", "--trials", "1", "--folds", "0", module="tune", code=2).stderr
    assert dead == [0, 0, 0]
    store = connect(project)
    sweep = sweep_of(store)
    assert err.splitlines()[-2:] == [
        "error: 1 trial of 1 did not come to an end, the last for this reason: "
        "the worker process died; was there memory enough?",
        f"error: `python -m tune search --resume {sweep.id[:8]}` continues it",
    ]
    assert sweep.status == "FAILED"
    assert [trial.state for trial in records(store, sweep)] == ["KILLED"] * epochs
    project.run("search", "--resume", "lr", module="tune")
    (trial,) = records(store, sweep)
    assert (trial.state, trial.epochs, trial.error) == ("FINISHED", 3, "")
    assert doubled_points(project) == []


DIED = (
    ", and all trials with it (was there memory enough?); `python -m tune search --resume {sweep}` continues the sweep"
)


@pytest.mark.parametrize(
    ("how", "code", "said", "state"),
    [
        ("ctrl-c", 130, "stopped; `python -m tune search --resume {sweep}` continues it", "KILLED"),
        ("raylet", 2, "error: Ray's raylet on this machine died" + DIED, "FAILED"),
        ("head", 2, "error: Ray's head at 127.0.0.1:6379 died" + DIED, "FAILED"),
    ],
    ids=["ctrl-c", "raylet", "head"],
)
def test_an_interrupted_sweep_closes_its_runs_and_can_be_resumed(
    how: str, code: int, said: str, state: str, project: Project, connect: Connect, in_process: InProcess
) -> None:
    def break_off(number: int) -> None:
        if len(project.epochs_in_work()) >= 2 and in_process.raylet and in_process.head:
            if how == "ctrl-c":
                signal.raise_signal(signal.SIGINT)
            in_process.raylet, in_process.head = how != "raylet", how != "head"

    two = ("--trials", "2", "--cpu", "1", "--folds", "0")
    in_process.before_step = break_off
    err = project.run("search", "lr", *two, module="tune", code=code).stderr
    store = connect(project)
    sweep = sweep_of(store)
    assert err.splitlines()[-1] == said.format(sweep=sweep.id[:8])
    assert sweep.status == state
    trials = store.children(sweep.id, "trial")
    assert [trial.status for trial in trials] == ["KILLED"] * 2
    assert {fold.status for trial in trials for fold in store.children(trial.id)} == {"KILLED"}
    in_process.before_step, in_process.raylet, in_process.head = lambda number: None, True, True
    project.run("search", "--resume", "lr", module="tune")
    assert [(trial.number, trial.state, trial.epochs) for trial in records(store, sweep)] == [
        (0, "FINISHED", 3),
        (1, "FINISHED", 3),
    ]
    assert {run.status for run in store.find([]) if run.kind != "launch"} == {"FINISHED"}
    assert doubled_points(project) == []


def test_options_of_resume_hold_for_the_next_resume(
    sound: Path, connect: Connect, in_process: InProcess, tmp_path: Path
) -> None:
    lacking = (
        QUICK.replace("folds: [0, 2]", "folds: [0]")
        .replace("trials: 4\n", "")
        .replace("experiment: tiny", "experiment: nowhere")
    )
    project = begun(tmp_path / "project", sound, lacking)
    project.run("search", "lr", "--trials", "1", "--experiment", "tiny", module="tune")
    left = killed_at(in_process, project, tmp_path, lambda: bool(project.epochs_in_work()))
    project.run("search", "--resume", "lr", "--trials", "3", "--cpu", "1", module="tune")
    (killed,) = left
    assert len(finished(killed)) == 1
    killed.run("search", "--resume", "lr", module="tune")
    store = connect(killed)
    states = [(trial.number, trial.state) for trial in records(store, sweep_of(store))]
    assert states == [(0, "FINISHED"), (1, "FINISHED"), (2, "FINISHED")]
    told = json.loads(store.read_text(sweep_of(store).id, "space.json"))["space"]
    assert (told["trials"], told["resources"]["cpu"]) == (3, 1)


def test_five_trials_that_fail_alike_end_a_sweep(project: Project, connect: Connect) -> None:
    broken = "loss.curated.weight=1e39 loss.noisy.weight=1e39"
    (project.folder / "mine").mkdir()
    space = project.folder / "mine" / "lr.yaml"
    space.write_text(SPACE.replace("high: 1e-2", "high: 2e-2"))
    done = project.run("search", "mine/lr.yaml", "--trials", "9", "--set", broken, module="tune", code=2)
    store = connect(project)
    sweep = sweep_of(store)
    trials = records(store, sweep)
    assert sweep.status == "FAILED"
    failed = [trial for trial in trials if trial.state == "FAILED"]
    assert {trial.state for trial in trials} <= {"FAILED", "KILLED"}
    assert len(failed) == 5 <= len(trials) < 9  # some beside the fifth were running
    # the learning rates that the errors name differ
    said = r"the training loss is (nan|inf) at epoch 1, step 1, learning rate 0\.0\d+; lower optimizer\.lr, or use .*"
    assert re.fullmatch(f"error: five trials in a row failed alike: {said}", done.stderr.splitlines()[-1])
    assert all(re.fullmatch(said, trial.error) for trial in failed)
    assert json.loads(store.get(trials[0].run_id).tags["trial.values"]) == trials[0].values
    space.write_text(SPACE)  # as the space of that name in tune/spaces/
    changed = project.run("search", "--resume", "lr", module="tune", code=2)
    assert changed.stderr.splitlines()[-1] == (
        f"error: the space {space} was changed since the sweep lr ({sweep.id[:8]}) began; take the change back, "
        f"or begin a new sweep with it: python -m tune search {space} --name NAME"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says")
def test_without_a_gpu_auto_means_cpu_cores(sound: Path, connect: Connect, tmp_path: Path) -> None:
    project = begun(tmp_path / "project", sound, SPACE + "resources: {gpu: auto}\n")
    said = project.run("search", "lr", "--trials", "1", *SHORT, module="tune").stdout
    assert said.splitlines()[1] == "no GPU that torch sees: trials run on CPU cores"
    store = connect(project)
    (trial,) = records(store, sweep_of(store))
    assert trial.state == "FINISHED"
    assert Metric.MEMORY_SHARE not in store.get(trial.run_id).metrics


def test_auto_runs_one_trial_alone_and_then_as_many_as_fit_beside_each_other(
    project: Project, connect: Connect, in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a GPU with room for three such trials; they train on the CPU
    monkeypatch.setattr("tune.tuner.sees_gpu", lambda: True)
    monkeypatch.setattr("tune.session._nodes", lambda gpu: [(16, 1)])
    monkeypatch.setattr("tune.steps.memory_share", lambda device: 0.3)
    at_once: list[int] = []
    in_process.before_step = lambda number: at_once.append(in_process.most_at_once)
    said = project.run("search", "lr", "--gpu", "auto", "--cpu", "1", *SHORT, "device=cpu", module="tune").stdout
    assert said.splitlines()[1] == "one trial has the GPU alone, to see how much of it a trial needs"
    assert "a trial took 30% of the GPU's memory: 3 at a time on each GPU from now on\n" in said
    store = connect(project)
    trials = records(store, sweep_of(store))
    assert [trial.state for trial in trials] == ["FINISHED"] * 4
    assert [store.get(trial.run_id).metrics[Metric.MEMORY_SHARE] for trial in trials] == [0.3] * 4
    assert (at_once[0], at_once[1], max(at_once)) == (1, 1, 3)
    assert in_process.room == {"CPU": 3, "GPU": pytest.approx(1)}
