"""Whole sweeps with a real Ray, by processes: what in_process.py cannot stand in for."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from tagging.tracking.store import Store
from tests.project import Project
from tests.tune import processes
from tests.tune.in_process import InProcess
from tests.tune.processes import driver_of, wait_for, workers
from tests.tune.sweeps import (
    OF_OWN_CODE,
    OWN_CODE,
    SPACE,
    STOPPING,
    begun,
    check_pruned,
    check_what_a_sweep_leaves,
    doubled_points,
    ended,
    outcome,
    own_code,
    project,
    sweep_of,
)
from tune.records import best, records

__all__ = ["project"]

Connect = Callable[[Project], Store]


def test_a_sweep_leaves_its_trials_in_the_store_and_nothing_in_the_work_folder(
    sound: Path, connect: Connect, tmp_path: Path
) -> None:
    project = begun(tmp_path / "project", sound, SPACE.replace("keep: 2", "keep: 1").replace("epochs: 4", "epochs: 2"))
    with driver_of(project, "search", "lr", "--trials", "3") as driver:
        said, _ = processes.ended(driver, code=0)
    store = connect(project)
    sweep = sweep_of(store)
    trials = records(store, sweep)
    assert [(trial.number, trial.state, trial.epochs) for trial in trials] == [
        (number, "FINISHED", 4) for number in range(3)
    ]
    winner = best(trials)
    assert winner is not None
    assert f"best: trial {winner.number} with lwlrap {winner.lwlrap:.4f}" in said
    check_what_a_sweep_leaves(store, sweep, trials, keep=1)
    assert not (project.folder / "mlruns" / "work" / sweep.id).exists()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_workers_train_a_network_of_the_users_own_with_arguments_that_are_searched(
    sound: Path, connect: Connect, tmp_path: Path
) -> None:
    project = begun(tmp_path / "project", sound, OF_OWN_CODE)
    own_code(project)
    with driver_of(project, "search", "lr") as driver:
        processes.ended(driver, code=0)
    store = connect(project)
    trials = records(store, sweep_of(store))
    assert [(trial.number, trial.state, trial.epochs) for trial in trials] == [
        (number, "FINISHED", 2) for number in range(2)
    ]
    assert sorted(trial.values["model.arguments.width"] for trial in trials) == [2, 3]
    for trial in trials:
        run = store.get(trial.run_id)
        assert store.read_text(run.id, "code/own.py") == OWN_CODE
        assert json.loads(run.params["model.arguments"]) == {"width": trial.values["model.arguments.width"]}
        assert run.params["model.sha256"] == hashlib.sha256(OWN_CODE.encode()).hexdigest()


@pytest.mark.long
@pytest.mark.timeout(900)  # two sweeps
def test_a_killed_sweep_that_stops_trials_stops_the_same_and_learns_the_same(
    sound: Path, connect: Connect, in_process: InProcess, tmp_path: Path
) -> None:
    whole = begun(tmp_path / "whole", sound, STOPPING)
    whole.run("search", "lr", module="tune")  # in this process, which changes nothing
    store = connect(whole)
    expected = records(store, sweep_of(store))
    assert {trial.state for trial in expected} == {"FINISHED", "PRUNED"}

    project = begun(tmp_path / "project", sound, STOPPING)
    with driver_of(project, "search", "lr") as driver:
        wait_for(lambda: len(ended(project)) >= 1 and len(project.epochs_in_work()) >= 1, driver)
        left = workers(driver)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert left
    psutil.wait_procs(left)  # they follow their driver
    assert 1 <= len(ended(project)) < 7
    with driver_of(project, "search", "--resume", "lr") as driver:
        processes.ended(driver, code=0)
    store = connect(project)
    sweep = sweep_of(store)
    trials = records(store, sweep)
    assert outcome(trials) == outcome(expected)
    for trial in trials:
        if trial.state == "PRUNED":
            check_pruned(store, trial, planned=8)
    assert doubled_points(project) == []
    study = optuna.load_study(study_name="lr", storage=f"sqlite:///{store.fetch(sweep.id, 'study.db')}")
    states = {"FINISHED": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED}
    assert {one.user_attrs["trial"]: one.state for one in study.trials} == {
        trial.number: states[trial.state] for trial in trials
    }


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_worker_that_dies_is_replaced_and_its_trial_continues(project: Project, connect: Connect) -> None:
    long = ("--folds", "0", "--set", "training.epochs=100", "early_stopping.patience=null")
    with driver_of(project, "search", "lr", "--trials", "1", *long) as driver:
        wait_for(lambda: len(project.epochs_in_work()) >= 1, driver)
        (worker,) = workers(driver)
        worker.kill()
        out, _ = processes.ended(driver, code=0)
    assert out.count("trial 0: its worker died; another worker continues it\n") == 1
    store = connect(project)
    (trial,) = records(store, sweep_of(store))
    assert (trial.state, trial.epochs) == ("FINISHED", 100)
    assert doubled_points(project) == []


# no trial comes to its end before it is interrupted, however busy the machine is
ENDLESS = ("--folds", "0", "--set", "training.epochs=100000", "early_stopping.patience=null")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_third_crash_of_its_worker_leaves_a_trial_for_resume(
    project: Project, connect: Connect, in_process: InProcess
) -> None:
    with driver_of(project, "search", "lr", "--trials", "1", *ENDLESS) as driver:
        wait_for(lambda: len(project.epochs_in_work()) >= 1, driver)
        dead: set[int] = set()
        while len(dead) < 3:
            wait_for(lambda: any(worker.pid not in dead for worker in workers(driver)), driver)
            for worker in workers(driver):
                dead.add(worker.pid)
                worker.kill()
        _, err = processes.ended(driver, code=2)
    store = connect(project)
    sweep = sweep_of(store)
    assert err.splitlines()[-2:] == [
        "error: 1 trial of 1 did not come to an end, the last for this reason: "
        "the worker process died; was there memory enough?",
        f"error: `python -m tune search --resume {sweep.id[:8]}` continues it",
    ]
    assert sweep.status == "FAILED"
    assert [trial.state for trial in records(store, sweep)] == ["KILLED"]
    check_that_it_goes_on(project, store, in_process)


STOPPED = "stopped; `python -m tune search --resume {sweep}` continues it"
DIED = (
    ", and all trials with it (was there memory enough?); `python -m tune search --resume {sweep}` continues the sweep"
)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("how", "code", "said", "state"),
    [
        ("ctrl-c", 130, STOPPED, "KILLED"),
        ("hang-up", 130, STOPPED, "KILLED"),
        ("raylet", 2, "error: Ray's raylet on this machine died" + DIED, "FAILED"),
        ("gcs_server", 2, "error: Ray's head at 127.0.0.1:PORT died" + DIED, "FAILED"),
    ],
    ids=["ctrl-c", "hang-up", "raylet", "head"],
)
def test_an_interrupted_sweep_closes_its_runs_and_can_be_resumed(
    how: str, code: int, said: str, state: str, project: Project, connect: Connect, in_process: InProcess
) -> None:
    two = ("--trials", "2", "--cpu", "1", *ENDLESS)
    with driver_of(project, "search", "lr", *two) as driver:
        wait_for(lambda: len(project.epochs_in_work()) >= 2, driver)
        below = psutil.Process(driver.pid).children(recursive=True)
        assert [worker.nice() for worker in workers(driver)] == [psutil.Process().nice()] * 2  # as any training
        if how == "ctrl-c":
            driver.send_signal(signal.SIGINT)
        elif how == "hang-up":  # a terminal that is closed sends it to all
            for process in [*below, psutil.Process(driver.pid)]:
                process.send_signal(signal.SIGHUP)
        else:
            (killed,) = [process for process in below if process.name() == how]
            killed.kill()
        _, err = processes.ended(driver, code)
    psutil.wait_procs(below)
    store = connect(project)
    sweep = sweep_of(store)
    assert re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", err.splitlines()[-1]) == said.format(sweep=sweep.id[:8])
    assert sweep.status == state
    trials = store.children(sweep.id, "trial")
    assert [trial.status for trial in trials] == ["KILLED"] * 2
    assert {fold.status for trial in trials for fold in store.children(trial.id)} == {"KILLED"}
    check_that_it_goes_on(project, store, in_process)


def check_that_it_goes_on(project: Project, store: Store, in_process: InProcess) -> None:
    """Go on with a sweep in this process, for a few epochs of each of its trials: all in the same runs."""
    trials = store.children(sweep_of(store).id, "trial")
    before = {trial.id: len(store.curve(trial.id, "search_lwlrap")) for trial in trials}

    def stop(number: int) -> None:
        epochs = {trial.id: len(store.curve(trial.id, "search_lwlrap")) for trial in trials}
        if all(epochs[trial] >= before[trial] + 2 for trial in before):
            signal.raise_signal(signal.SIGINT)

    in_process.before_step = stop
    project.run("search", "--resume", "lr", module="tune", code=130)
    assert [trial.id for trial in store.children(sweep_of(store).id, "trial")] == [trial.id for trial in trials]
    for trial in trials:
        epochs = list(store.curve(trial.id, "search_lwlrap"))
        assert epochs == list(range(1, len(epochs) + 1))
    assert doubled_points(project) == []
