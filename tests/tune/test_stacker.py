"""Stackers searched like experiments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.config import Stacker
from tagging.errors import UserError
from tagging.tracking.store import Store
from tests.project import Project
from tests.stacked import STACKED
from tests.tune.processes import driver_of, ended
from tune.check import check_space
from tune.records import records
from tune.space import experiment_of, load_space

Write = Callable[[str], Path]
SPACE = """\
experiment: stacked
notes: Small enough for a test.
space:
  model.reduction: {kind: choice, options: [1, 4]}
  optimizer.lr: {kind: uniform, low: 1e-3, high: 1e-2}
set: {training.epochs: 3}
searcher: {kind: random}
trials: 2
folds: [0, 2]
"""


def test_a_trial_of_the_shipped_space_is_a_stacker() -> None:
    space = load_space("stacker")
    values = {
        "model.base_size": 64,
        "model.reduction": 8,
        "model.dropout": 0.5,
        "optimizer.lr": 2e-5,
        "scheduler.patience": 4,
        "scheduler.factor": 0.7,
        "sampling.batch_size": 32,
    }
    stacker = experiment_of(space, values, None)
    assert isinstance(stacker, Stacker)
    assert (stacker.model.base_size, stacker.model.reduction, stacker.sampling.batch_size) == (64, 8, 32)
    assert (stacker.training.epochs, stacker.early_stopping.patience) == (300, 20)


def test_a_field_of_experiments_is_none_of_a_stacker(write: Write) -> None:
    path = write(
        "experiment: stacker\nspace:\n  mixer.prob: {kind: uniform, low: 0, high: 1}\n"
        "  model.reduction: {kind: int, low: 0, high: 4}\ntrials: 2\nfolds: [7]\n"
    )
    with pytest.raises(UserError) as caught:
        check_space(load_space(path), None)
    assert [problem.replace(str(path), "") for problem in caught.value.problems] == [
        ":3: mixer is not a field; There are: " + ", ".join(Stacker.model_fields),
        ":4: low of model.reduction: model.reduction is '0'; it must be greater than or equal to 1",
    ]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_sweep_over_a_stacker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path / "project")
    (project.folder / "experiments" / "stacked.yaml").write_text(STACKED)
    (project.folder / "tune" / "spaces" / "small.yaml").write_text(SPACE)
    project.run("train", "tiny")
    project.run("train", "tiny", "--set", "seed=1", "name=other")
    with driver_of(project, "search", "small", "--cpu", "1") as driver:
        ended(driver, code=0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
    store = Store.connect()
    (sweep,) = store.search({"kind": "sweep"})
    assert sweep.status == "FINISHED"
    for trial in records(store, sweep):
        run = store.get(trial.run_id)
        folds = store.children(run.id)
        assert (trial.state, run.kind, len(folds)) == ("FINISHED", "trial", 2)
        assert store.has_file(run.id, "stacker.json")
        best = [fold.metrics["best_val_lwlrap"] for fold in folds]
        assert run.metrics["search_lwlrap"] == pytest.approx(sum(best) / 2)
        said = project.run("predict", "--run", run.id[:8], "data/demo-0-36-12-8/test", "--top", "1").stdout
        assert len(said.splitlines()) == 8
    project.run("promote", sweep.id[:8], "--name", "found", module="tune")
    text = (project.folder / "experiments" / "found.yaml").read_text()
    assert text.startswith("base: stacked\n")
    project.run("train", "found")
