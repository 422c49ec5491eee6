"""`init.run`: training on from another run's weights, and what does not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tagging.tracking.store import Store
from tests.commands.conftest import Trained, the_run
from tests.commands.project import Project

Connect = Callable[[Project], Store]


@pytest.fixture
def tuned(trained: Trained, tmp_path: Path) -> Project:
    """Return a copy of the project with its finished run; the run's files stay where they are."""
    fresh = Project(tmp_path / "project")
    shutil.copytree(trained.project.folder / "data", fresh.folder / "data")
    shutil.copy(trained.project.folder / "mlflow.db", fresh.folder)
    return fresh


def train(project: Project, *overrides: str, code: int = 0, data: Path | None = None) -> str:
    folder = ["--data", str(data)] if data else []
    done = project.run("train", "tiny", *folder, "--set", "init.run=tiny training.epochs=1", *overrides, code=code)
    return done.stderr if code else done.stdout


def test_folds_start_from_the_weights_of_the_same_fold(tuned: Project, store_of: Connect) -> None:
    store = store_of(tuned)
    source = the_run(store)
    # steps too small to move a weight; running statistics move all the same
    out = train(tuned, "optimizer.lr=1e-12 scheduler.kind=cosine scheduler.min_lr=0 predict.weights=last")
    assert f"the weights start from those of tiny ({source.id[:8]})" in out
    run = the_run(store)
    assert run.params["init.run"] == source.id
    assert (run.tags["init.run"], run.tags["init.name"]) == (source.id, "tiny")
    assert f"**Started from** the weights of [tiny](#/runs/{source.id})" in run.tags["mlflow.note.content"]
    ours, theirs = ({fold.tags["fold"]: fold for fold in store.children(parent.id)} for parent in (run, source))
    for number, fold in ours.items():
        before = load_file(store.fetch(theirs[number].id, "checkpoints/best/model.safetensors"))
        after = load_file(store.fetch(fold.id, "checkpoints/last/model.safetensors"))
        assert before.keys() == after.keys()
        for name, weights in before.items():
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                assert (after[name] - weights).abs().max() < 1e-8, name
    # a second time it is found, though the name now means the tuned run: the id of its own origin decides
    again = tuned.run(
        "train",
        "tiny",
        "--set",
        f"init.run={source.id[:8]} training.epochs=1 optimizer.lr=1e-12 scheduler.kind=cosine scheduler.min_lr=0",
        "predict.weights=last",
    )
    assert f"trained before: run {run.id}" in again.stdout


def test_an_unknown_run_stops(tuned: Project) -> None:
    done = tuned.run("train", "tiny", "--set", "init.run=tinny", code=2)
    assert done.stderr.splitlines() == [
        f"error: init.run: tinny: no such run in sqlite:///{tuned.folder}/mlflow.db; give a run id, four or more of "
        "its first characters, or the name of a finished experiment, trial, ensemble or stacker",
        "error: nearest names: tiny",
        "error: `python -m tagging show runs` lists what there is",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "model.base_size=4",
            "has another network: model.base_size is 2 in that run, 4 here; give the model of that run",
        ),
        (
            "features.hop=512",
            "was trained on other log-mels: features.hop is 690 in that run, 512 here; give the features of that run",
        ),
        (
            "folds.seed=1",
            "has {count} clips in another fold, such as {first}: its weights were trained on clips that are held out "
            "here; give the fields of `folds` that the run was trained with",
        ),
    ],
)
def test_weights_that_do_not_fit_stop(tuned: Project, store_of: Connect, override: str, problem: str) -> None:
    store = store_of(tuned)
    source = the_run(store)
    found = train(tuned, override, code=2).splitlines()[-1]
    if "{count}" in problem:
        table = store.read_table(source.id, "data/folds.parquet")
        count, first = found.split(" has ")[1].split(" clips")[0], found.split("such as ")[1].split(":")[0]
        assert 0 < int(count) < len(table)
        assert first in set(table["fname"])
        problem = problem.format(count=count, first=first)
    assert found == f"error: init.run: tiny ({source.id[:8]}) {problem}"
    assert [run.id for run in store.search({"kind": "experiment"})] == [source.id]


@pytest.mark.slow
def test_other_classes_stop(tuned: Project, store_of: Connect, tmp_path: Path) -> None:
    source = the_run(store_of(tuned))
    (demo,) = (tuned.folder / "data").glob("demo-*")
    other = tmp_path / "other"
    shutil.copytree(demo, other)
    for table in other.glob("*.csv"):
        table.write_text(table.read_text().replace("Buzz", "Bee").replace("Hiss", "Snake"))
    assert train(tuned, code=2, data=other).splitlines()[-1] == (
        f"error: init.run: tiny ({source.id[:8]}) was trained on other classes (only there Buzz, Hiss; "
        "only here Bee, Snake); name a run on the same classes"
    )


@pytest.mark.slow
def test_a_fold_that_the_run_lacks_stops(tuned: Project, store_of: Connect) -> None:
    tuned.run("train", "tiny", "--set", "seed=5 name=one training.folds=[1] training.epochs=1")
    run = the_run(store_of(tuned), "one")
    done = tuned.run("train", "tiny", "--set", "init.run=one", code=2)
    assert done.stderr.splitlines()[-1] == (
        f"error: init.run: one ({run.id[:8]}) has no finished fold 0; it has 1: "
        "train that run's other folds first, or name those it has in training.folds"
    )


@pytest.mark.slow
def test_predicting_anew_does_not_need_the_origin(tuned: Project, store_of: Connect) -> None:
    store = store_of(tuned)
    source = the_run(store)
    train(tuned, "name=heir")
    store.connection.call(store._client.delete_run, source.id)
    heir = the_run(store, "heir")
    tuned.run("predict", "--run", "heir")
    again = store.get(heir.id)
    assert again.metrics["cv_lwlrap"] == pytest.approx(heir.metrics["cv_lwlrap"], abs=1e-6)
    assert json.loads(store.read_text(store.children(heir.id)[0].id, "checkpoints/last/state.json"))["epoch"] == 1
