"""Small sweeps on demo sound: their space, their project, and what they leave."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest

from tagging.tracking.store import Run, Store
from tests.project import Project
from tune.records import TrialRecord

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
# one trial at a time, so that nothing but the scores decides who is stopped and what is tried next
STOPPING = (
    SPACE.replace("searcher: {kind: random}", "searcher: {kind: tpe, startup: 3}")
    .replace("high: 1e-2", "high: 3e-1")
    .replace("trials: 4", "trials: 7")
) + "scheduler: {kind: asha, grace: 1, reduction: 2}\nresources: {at_once: 1}\n"
# an experiment with a network of the user's own, whose argument is searched
OWN_CODE = """\
from torch import nn


class Own(nn.Module):
    def __init__(self, num_classes, in_channels, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_channels, width), nn.ReLU(), nn.Linear(width, num_classes))

    def forward(self, x):
        return self.layers(x.mean((2, 3)))
"""
OF_OWN_CODE = """\
experiment: own
space:
  model.arguments.width: {kind: choice, options: [2, 3]}
set: {training.epochs: 2}
searcher: {kind: grid}
trials: 2
folds: [0]
"""


@pytest.fixture
def project(sound: Path, tmp_path: Path) -> Project:
    return begun(tmp_path / "project", sound)


def begun(folder: Path, sound: Path, space: str = SPACE) -> Project:
    """Return a project with the space `lr` and no runs."""
    project = Project(folder)
    (project.folder / "data").symlink_to(sound)
    space_file(project).write_text(space)
    return project


def own_code(project: Project, code: str = OWN_CODE) -> Path:
    """Write the experiment `own` and its file of code into a project; return the file."""
    text = "base: tiny\nmodel: {kind: python, file: own.py, class: Own, arguments: {width: 2}}\n"
    (project.folder / "experiments" / "own.yaml").write_text(text)
    path = project.folder / "own.py"
    path.write_text(code)
    return path


def space_file(project: Project) -> Path:
    return project.folder / "tune" / "spaces" / "lr.yaml"


def sweep_of(store: Store) -> Run:
    (sweep,) = store.search({"kind": "sweep"})
    return sweep


def outcome(trials: list[TrialRecord]) -> list[tuple[object, ...]]:
    return [(trial.number, trial.state, trial.values, trial.lwlrap, trial.epochs) for trial in trials]


def doubled_points(project: Project) -> list[tuple[str, str, int]]:
    """Return every curve's step that the database holds twice."""
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        return database.execute(
            "select run_uuid, key, step from metrics where key in ('val_lwlrap', 'search_lwlrap') "
            "group by run_uuid, key, step having count(*) > 1"
        ).fetchall()


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


def check_what_a_sweep_leaves(store: Store, sweep: Run, trials: list[TrialRecord], keep: int) -> None:
    """Hold files, scores and checkpoints of a finished sweep over SPACE against each other."""
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
            assert store.has_file(fold.id, "checkpoints/best/model.safetensors") == (place < keep)


def check_pruned(store: Store, trial: TrialRecord, planned: int) -> None:
    """Hold the run of a trial that was stopped against its record; it would have had so many epochs."""
    run = store.get(trial.run_id)
    assert (run.status, run.tags["state"]) == ("KILLED", "PRUNED")
    assert {fold.status for fold in store.children(run.id)} <= {"KILLED", "FINISHED"}
    curve = store.curve(run.id, "search_lwlrap")
    assert (len(curve), list(curve.values())[-1]) == (trial.epochs, trial.lwlrap)
    assert trial.epochs < planned
