"""Whole sweeps, by the command line, with a real Ray on a real store: kept, killed, continued, failing."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import psutil
import pytest
import torch
from optuna.trial import TrialState

from tagging.tracking.store import Run, Store
from tests.commands.project import Project
from tests.tune.processes import trial_workers
from tune.packing import MEMORY_SHARE
from tune.records import TrialRecord, best, records

SPACE = """\
experiment: tiny
notes: Small enough for a test.
space:
  optimizer.lr: {kind: loguniform, low: 1e-3, high: 1e-2}
  mixer.prob: {kind: uniform, low: 0, high: 1}
set: {predict.noisy: false, training.epochs: 4}
searcher: {kind: random}
trials: 4
folds: [0, 2]
keep: 2
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the demo sound with its log-mels, made once."""
    project = Project(tmp_path_factory.mktemp("sound") / "project")
    project.run("features", "tiny")
    return project.folder / "data"


@pytest.fixture
def project(sound: Path, tmp_path: Path) -> Project:
    fresh = Project(tmp_path / "project")
    (fresh.folder / "data").symlink_to(sound)
    (fresh.folder / "tune" / "spaces" / "lr.yaml").write_text(SPACE)
    return fresh


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Project], Store]:
    def opened(project: Project) -> Store:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
        return Store.connect()

    return opened


def sweep_of(store: Store) -> Run:
    (sweep,) = store.search({"kind": "sweep"})
    return sweep


def doubled_points(project: Project) -> list[tuple[str, str, int]]:
    """Return every curve's step that the database holds twice."""
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        return database.execute(
            "select run_uuid, key, step from metrics where key in ('val_lwlrap', 'search_lwlrap') "
            "group by run_uuid, key, step having count(*) > 1"
        ).fetchall()


def outcome(trials: list[TrialRecord]) -> list[tuple[object, ...]]:
    return [(trial.number, trial.state, trial.values, trial.lwlrap, trial.epochs) for trial in trials]


@pytest.mark.slow
def test_a_killed_sweep_that_goes_on_ends_as_one_that_was_not(
    project: Project, sound: Path, tmp_path: Path, connect: Callable[[Project], Store]
) -> None:
    whole = Project(tmp_path / "whole")
    (whole.folder / "data").symlink_to(sound)
    (whole.folder / "tune" / "spaces" / "lr.yaml").write_text(SPACE)
    said = whole.run_apart("search", "lr", module="tune").stdout
    store = connect(whole)
    sweep = sweep_of(store)
    expected = records(store, sweep)
    winner = best(expected)
    assert winner is not None
    assert f"best: trial {winner.number} with lwlrap {winner.lwlrap:.4f}" in said
    assert [trial.number for trial in expected] == [0, 1, 2, 3]
    assert {trial.state for trial in expected} == {"FINISHED"}
    assert {trial.epochs for trial in expected} == {8}
    check_what_a_sweep_leaves(store, sweep, expected)
    assert not (whole.folder / "mlruns" / "work" / sweep.id).exists()

    driver = project.start("search", "lr", module="tune")
    wait_for(lambda: len(finished(project)) >= 1 and len(project.epochs_in_work()) >= 1, driver)
    left = workers(driver)
    assert left
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = finished(project)
    assert 1 <= len(before) < 4
    store = connect(project)
    assert not psutil.wait_procs(left, timeout=30)[1]  # they follow their driver
    refused = project.run_apart("search", "lr", module="tune", code=2)
    run = sweep_of(store)
    assert refused.stderr.splitlines()[-1] == (
        f"error: the sweep lr ({run.id[:8]}) is not finished; go on with it by `python -m tune search --resume "
        f"{run.id[:8]}`, or give the new one another name with --name"
    )
    space = project.folder / "tune" / "spaces" / "lr.yaml"
    space.write_text(SPACE.replace("high: 1e-2", "high: 2e-2"))
    changed = project.run_apart("search", "--resume", "lr", module="tune", code=2)
    assert changed.stderr.splitlines()[-1] == (
        f"error: the space {space} was changed since the sweep lr ({run.id[:8]}) began; take the change back, "
        f"or begin a new sweep with it: python -m tune search {space} --name NAME"
    )
    space.unlink()  # what the sweep holds of it is enough
    said = project.run_apart("search", "--resume", "lr", module="tune").stdout
    assert f"{space} is not there any more; the sweep goes on with the space that its run holds" in said
    trials = records(store, sweep_of(store))
    assert outcome(trials) == outcome(expected)
    assert before <= {trial.run_id for trial in trials}
    assert {run.status for run in store.find([]) if run.kind != "launch"} == {"FINISHED"}
    assert doubled_points(project) == []


def check_what_a_sweep_leaves(store: Store, sweep: Run, trials: list[TrialRecord]) -> None:
    assert sweep.status == "FINISHED"
    assert {"figures/history.png", "figures/importance.png", "tables/trials.parquet", "experiment.yaml"} <= set(
        store.list_files(sweep.id)
    )
    assert "\n\nSmall enough for a test.\n\n" in store.get(sweep.id).tags["mlflow.note.content"]
    study = optuna.load_study(study_name="lr", storage=f"sqlite:///{store.fetch(sweep.id, 'study.db')}")
    told = {trial.user_attrs["trial"]: trial.value for trial in study.trials}
    assert told == {trial.number: pytest.approx(trial.lwlrap, abs=1e-9) for trial in trials}
    ranked = sorted(trials, key=lambda trial: -(trial.lwlrap or 0))
    for place, trial in enumerate(ranked):
        run = store.get(trial.run_id)
        assert run.name == f"lr {trial.number}"
        assert float(run.params["optimizer.lr"]) == trial.values["optimizer.lr"]
        assert run.metrics["fold_lwlrap_mean"] > 0
        assert "cv_lwlrap" not in run.metrics  # two folds of three
        folds = store.children(run.id)
        assert [fold.tags["fold"] for fold in folds] == ["0", "2"]
        best_scores = [fold.metrics["best_val_lwlrap"] for fold in folds]
        assert trial.lwlrap == pytest.approx(sum(best_scores) / 2, abs=1e-9)
        for fold in folds:
            assert store.has_file(fold.id, "predictions/oof.parquet")
            assert store.has_file(fold.id, "checkpoints/best/model.safetensors") == (place < 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_sweep_that_stops_trials_stops_the_same_and_learns_the_same(
    project: Project, sound: Path, tmp_path: Path, connect: Callable[[Project], Store]
) -> None:
    """One trial at a time, so that nothing but the scores decides who is stopped and what is tried next."""
    text = SPACE.replace("searcher: {kind: random}", "searcher: {kind: tpe, startup: 3}")
    text = text.replace("high: 1e-2", "high: 3e-1").replace("trials: 4", "trials: 7")
    text += "scheduler: {kind: asha, grace: 1, reduction: 2}\nresources: {at_once: 1}\n"
    whole = Project(tmp_path / "whole")
    (whole.folder / "data").symlink_to(sound)
    for each in (whole, project):
        (each.folder / "tune" / "spaces" / "lr.yaml").write_text(text)
    whole.run_apart("search", "lr", module="tune")
    store = connect(whole)
    expected = records(store, sweep_of(store))
    pruned = [trial for trial in expected if trial.state == "PRUNED"]
    assert {trial.state for trial in expected} == {"FINISHED", "PRUNED"}
    for trial in pruned:
        run = store.get(trial.run_id)
        assert (run.status, run.tags["state"]) == ("KILLED", "PRUNED")
        assert {fold.status for fold in store.children(run.id)} <= {"KILLED", "FINISHED"}
        curve = store.curve(run.id, "search_lwlrap")
        assert (len(curve), list(curve.values())[-1]) == (trial.epochs, trial.lwlrap)
        assert trial.epochs < 8

    driver = project.start("search", "lr", module="tune")
    wait_for(lambda: len(ended(project)) >= 1 and len(project.epochs_in_work()) >= 1, driver)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    assert 1 <= len(ended(project)) < 7
    project.run_apart("search", "--resume", "lr", module="tune")
    store = connect(project)
    trials = records(store, sweep_of(store))
    assert outcome(trials) == outcome(expected)
    assert doubled_points(project) == []
    study = optuna.load_study(study_name="lr", storage=f"sqlite:///{store.fetch(sweep_of(store).id, 'study.db')}")
    states = {"FINISHED": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED}
    assert {one.user_attrs["trial"]: one.state for one in study.trials} == {
        trial.number: states[trial.state] for trial in trials
    }


GRID = """\
experiment: tiny
space:
  optimizer.lr: {kind: choice, options: [1e-3, 1e-2]}
  loss.curated.weight: {kind: choice, options: [1, 1e39]}
set: {predict.noisy: false}
searcher: {kind: grid}
scheduler: {kind: median, grace: 1}
trials: 4
folds: [1]
"""


@pytest.mark.slow
def test_a_failing_trial_does_not_end_a_sweep(project: Project, connect: Callable[[Project], Store]) -> None:
    (project.folder / "tune" / "spaces" / "lr.yaml").write_text(GRID)
    project.run_apart("search", "lr", module="tune")
    store = connect(project)
    assert sweep_of(store).status == "FINISHED"
    trials = records(store, sweep_of(store))
    tried = [(trial.values["optimizer.lr"], trial.values["loss.curated.weight"]) for trial in trials]
    assert sorted(tried) == [(1e-3, 1), (1e-3, 1e39), (1e-2, 1), (1e-2, 1e39)]
    assert all((trial.state == "FAILED") == (weight > 1) for trial, (_, weight) in zip(trials, tried, strict=True))
    assert {run.status for run in store.find([])} == {"FINISHED", "FAILED"}


def finished(project: Project) -> set[str]:
    """Return the ids of trials that came to their end."""
    return {run for run, status in _trials(project) if status == "FINISHED"}


def ended(project: Project) -> set[str]:
    """Return the ids of trials that came to an end, their own or by the scheduler."""
    return {run for run, status in _trials(project) if status in ("FINISHED", "KILLED")}


def _trials(project: Project) -> list[tuple[str, str]]:
    """Return id and status of the trials straight from the database, which a driver has open."""
    query = (
        "select r.run_uuid, r.status from runs r join tags t on t.run_uuid = r.run_uuid "
        "where t.key = 'kind' and t.value = 'trial'"
    )
    try:
        with sqlite3.connect(f"file:{project.folder}/mlflow.db?mode=ro", uri=True) as database:
            return database.execute(query).fetchall()
    except sqlite3.OperationalError:  # not made yet
        return []


def workers(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return Ray's processes below a driver that run, or ran, trials."""
    return trial_workers(psutil.Process(driver.pid))


def wait_for(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_goes_on(project: Project, connect: Callable[[Project], Store]) -> None:
    driver = project.start("search", "lr", "--trials", "1", "--set", "training.epochs=12", module="tune")
    wait_for(lambda: len(project.epochs_in_work()) >= 1, driver)
    (worker,) = workers(driver)
    worker.kill()
    out, err = driver.communicate(timeout=200)
    assert driver.returncode == 0, f"{out}\n{err}"
    store = connect(project)
    (trial,) = records(store, sweep_of(store))
    assert (trial.state, trial.epochs) == ("FINISHED", 24)
    assert doubled_points(project) == []


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 1], ids=["before it has a run", "amid epochs"])
@pytest.mark.timeout(600)
def test_a_worker_that_dies_thrice_leaves_its_trial_to_be_gone_on_with(
    epochs: int, project: Project, connect: Callable[[Project], Store]
) -> None:
    fixed = ("training.epochs=60", "early_stopping.patience=null")
    driver = project.start("search", "lr", "--trials", "1", "--folds", "0", "--set", *fixed, module="tune")
    wait_for(lambda: len(project.epochs_in_work()) >= epochs, driver)
    dead: set[int] = set()
    while len(dead) < 3:
        wait_for(lambda: any(worker.pid not in dead for worker in workers(driver)), driver)
        for worker in workers(driver):
            dead.add(worker.pid)
            worker.kill()
    out, err = driver.communicate(timeout=200)
    assert driver.returncode == 2, f"{out}\n{err}"
    store = connect(project)
    sweep = sweep_of(store)
    assert err.splitlines()[-2:] == [
        "error: 1 trial of 1 did not come to an end, the last for this: "
        "the worker process died; was there memory enough?",
        f"error: `python -m tune search --resume {sweep.id[:8]}` goes on where it was",
    ]
    assert sweep.status == "FAILED"
    assert [trial.state for trial in records(store, sweep)] == ["KILLED"] * epochs
    project.run_apart("search", "--resume", "lr", module="tune")
    (trial,) = records(store, sweep)
    assert (trial.state, trial.epochs, trial.error) == ("FINISHED", 60, "")
    assert doubled_points(project) == []


RAYLET_DIED = (
    "error: Ray's raylet on this machine died, and all trials with it (was there memory enough?); "
    "`python -m tune search --resume {sweep}` goes on with the sweep"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "epochs", "code", "said", "state"),
    [
        ("ctrl-c", 8, 130, "stopped; `python -m tune search --resume {sweep}` goes on with it", "KILLED"),
        # trials outlive their raylet until Ray misses it, for up to half a minute
        ("raylet", 200, 2, RAYLET_DIED, "FAILED"),
    ],
    ids=["ctrl-c", "raylet"],
)
@pytest.mark.timeout(600)
def test_a_sweep_that_is_broken_off_closes_its_runs_and_goes_on(
    how: str, epochs: int, code: int, said: str, state: str, project: Project, connect: Callable[[Project], Store]
) -> None:
    fixed = (f"training.epochs={epochs}", "early_stopping.patience=null")
    driver = project.start("search", "lr", "--trials", "2", "--set", *fixed, module="tune")
    wait_for(lambda: len(project.epochs_in_work()) >= 2, driver)
    below = psutil.Process(driver.pid).children(recursive=True)
    if how == "ctrl-c":
        driver.send_signal(signal.SIGINT)
    else:
        (raylet,) = [process for process in below if process.name() == "raylet"]
        raylet.kill()
    out, err = driver.communicate(timeout=100)
    assert driver.returncode == code, f"{out}\n{err}"
    assert not psutil.wait_procs(below, timeout=30)[1]
    store = connect(project)
    sweep = sweep_of(store)
    assert err.splitlines()[-1] == said.format(sweep=sweep.id[:8])
    assert sweep.status == state
    trials = store.children(sweep.id, "trial")
    assert {trial.status for trial in trials} == {"KILLED"}
    assert {fold.status for trial in trials for fold in store.children(trial.id)} <= {"KILLED", "FINISHED"}
    resumed = project.start("search", "--resume", "lr", module="tune")
    out, err = resumed.communicate(timeout=400)
    assert resumed.returncode == 0, f"{out}\n{err}"
    ended = [(trial.number, trial.state, trial.epochs) for trial in records(store, sweep)]
    assert ended == [(0, "FINISHED", 2 * epochs), (1, "FINISHED", 2 * epochs)]
    assert {run.status for run in store.find([]) if run.kind != "launch"} == {"FINISHED"}
    assert doubled_points(project) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_sweep_was_told_when_it_went_on_holds_when_it_goes_on_again(
    project: Project, connect: Callable[[Project], Store]
) -> None:
    lacking = SPACE.replace("trials: 4\n", "").replace("experiment: tiny", "experiment: nowhere")
    (project.folder / "tune" / "spaces" / "lr.yaml").write_text(lacking)
    project.run_apart("search", "lr", "--trials", "1", "--experiment", "tiny", module="tune")
    resumed = project.start("search", "--resume", "lr", "--trials", "3", "--cpu", "1", module="tune")
    wait_for(lambda: len(project.epochs_in_work()) >= 1, resumed)
    left = workers(resumed)
    resumed.kill()
    resumed.communicate()
    assert not psutil.wait_procs(left, timeout=30)[1]
    project.run_apart("search", "--resume", "lr", module="tune")
    store = connect(project)
    ended = [(trial.number, trial.state) for trial in records(store, sweep_of(store))]
    assert ended == [(0, "FINISHED"), (1, "FINISHED"), (2, "FINISHED")]
    told = json.loads(store.read_text(sweep_of(store).id, "space.json"))["space"]
    assert (told["trials"], told["resources"]["cpu"]) == (3, 1)


@pytest.mark.slow
def test_five_trials_that_fail_alike_end_a_sweep(project: Project, connect: Callable[[Project], Store]) -> None:
    broken = "loss.curated.weight=1e39 loss.noisy.weight=1e39"
    (project.folder / "mine").mkdir()
    space = project.folder / "mine" / "lr.yaml"
    space.write_text(SPACE.replace("high: 1e-2", "high: 2e-2"))
    arguments = ("search", "mine/lr.yaml", "--trials", "9", "--set", broken)
    done = project.run_apart(*arguments, module="tune", code=2)
    store = connect(project)
    sweep = sweep_of(store)
    trials = records(store, sweep)
    assert sweep.status == "FAILED"
    failed = [trial for trial in trials if trial.state == "FAILED"]
    assert {trial.state for trial in trials} <= {"FAILED", "KILLED"}
    assert 5 <= len(failed) <= len(trials) <= 7  # those beside the fifth were running
    # the learning rates that the errors name differ
    said = r"the training loss is (nan|inf) at epoch 1, step 1, learning rate 0\.0\d+; lower optimizer\.lr, or use .*"
    assert re.fullmatch(f"error: five trials in a row failed alike: {said}", done.stderr.splitlines()[-1])
    assert all(re.fullmatch(said, trial.error) for trial in failed)
    assert json.loads(store.get(trials[0].run_id).tags["trial.values"]) == trials[0].values
    space.write_text(SPACE)  # as the space of that name in tune/spaces/
    changed = project.run_apart("search", "--resume", "lr", module="tune", code=2)
    assert changed.stderr.splitlines()[-1] == (
        f"error: the space {space} was changed since the sweep lr ({sweep.id[:8]}) began; take the change back, "
        f"or begin a new sweep with it: python -m tune search {space} --name NAME"
    )


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says")
def test_without_a_gpu_auto_means_cpu_cores(project: Project, connect: Callable[[Project], Store]) -> None:
    (project.folder / "tune" / "spaces" / "lr.yaml").write_text(SPACE + "resources: {gpu: auto}\n")
    said = project.run_apart("search", "lr", "--trials", "1", module="tune").stdout
    assert said.splitlines()[0] == "no GPU that torch sees: trials run on CPU cores"
    store = connect(project)
    (trial,) = records(store, sweep_of(store))
    assert trial.state == "FINISHED"
    assert MEMORY_SHARE not in store.get(trial.run_id).metrics
