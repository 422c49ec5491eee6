"""`init.run`: training on from another run's weights, and what does not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tagging.config import Experiment, flatten
from tagging.config.load import leaf_text
from tagging.errors import UserError
from tagging.jobs.build import model_of
from tagging.jobs.earlier_runs import InitialRun, check_initial_run, find_initial_run
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.prepare import prepare
from tagging.tracking.store import Store
from tests.project import Project, copy_database
from tests.trainings import Inside, Trained, the_run

Connect = Callable[[Project], Store]


@pytest.fixture
def tuned(trained: Trained, tmp_path: Path) -> Project:
    """Return a copy of the project with its finished run; the run's files stay where they are."""
    fresh = Project(tmp_path / "project")
    shutil.copytree(trained.project.folder / "data", fresh.folder / "data")
    copy_database(trained.project.folder / "mlflow.db", fresh.folder / "mlflow.db")
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
    assert f"\nthe weights start from those of tiny ({source.id[:8]}) of data set demo\n" in out
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
    # a second time it is found, though the name now means the tuned run: the id of its own initial run decides
    again = tuned.run(
        "train",
        "tiny",
        "--set",
        f"init.run={source.id[:8]} training.epochs=1 optimizer.lr=1e-12 scheduler.kind=cosine scheduler.min_lr=0",
        "predict.weights=last",
    )
    assert f"trained before: run {run.id}" in again.stdout
    assert "the weights start" not in again.stdout


def test_an_unknown_run_stops(tuned: Project) -> None:
    done = tuned.run("train", "tiny", "--set", "init.run=tinny", code=2)
    assert done.stderr.splitlines() == [
        "tiny: reading the demo sound",
        f"error: init.run: tinny: no such run in sqlite:///{tuned.folder}/mlflow.db; give a run id, four or more of "
        "its first characters, or the name of a finished experiment or trial",
        "error: nearest names: tiny",
        "error: `python -m tagging show runs` lists what there is",
    ]


def refused(inside: Inside, run: str) -> str:
    with pytest.raises(UserError) as caught:
        find_initial_run(inside.tiny(f"init.run={run}"), inside.store)
    return str(caught.value)


def test_a_name_means_a_run_of_the_same_data_set_first(inside: Inside) -> None:
    store = inside.store
    source = the_run(store)
    for name in ("tiny", "far"):
        run = store.start("elsewhere", "experiment", name, {}, {})
        store.finish(run.id, "FINISHED")
    experiment, initial = find_initial_run(inside.tiny("init.run=tiny"), store)
    assert initial is not None
    assert (initial.run, experiment.init.run) == (source, source.id)
    far = store.search({"mlflow.runName": "far"})[0]
    assert refused(inside, "far") == f"init.run: run far ({far.id}) has no finished fold; train it first"


def test_a_fold_is_no_run_to_start_from(inside: Inside) -> None:
    source = the_run(inside.store)
    fold = inside.store.children(source.id)[1]
    assert refused(inside, fold.id) == (
        f"init.run: tiny fold 1 ({fold.id[:8]}) is a fold; give its run {source.id[:8]}"
    )


def test_a_run_that_is_not_finished_stops(inside: Inside) -> None:
    source = the_run(inside.store)
    inside.store.finish(source.id, "KILLED")
    assert refused(inside, source.id[:8]) == (
        f"init.run: tiny ({source.id[:8]}) is KILLED, not FINISHED; wait for its end, or go on with it by the "
        "command that started it"
    )


def settled(inside: Inside, *overrides: str) -> tuple[InitialRun, ExperimentJob]:
    experiment, initial = find_initial_run(inside.tiny("init.run=tiny", *overrides), inside.store)
    assert initial is not None
    return initial, prepare(experiment)


def unfit(initial: InitialRun, job: ExperimentJob) -> str:
    with pytest.raises(UserError) as caught:
        check_initial_run(initial, job)
    return str(caught.value)


def test_clips_that_the_run_does_not_know_are_warned_of(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    initial, job = settled(inside)
    check_initial_run(initial, job)
    assert capsys.readouterr().err == ""
    curated = job.dataset.curated
    fnames = ("new_1.wav", *curated.fnames[1:-1], "new_2.wav")
    dataset = replace(job.dataset, curated=replace(curated, fnames=fnames))
    check_initial_run(initial, replace(job, dataset=dataset))
    assert capsys.readouterr().err == (
        f"warning: init.run: tiny ({initial.run.id[:8]}) does not know 2 of the 36 curated clips here, such as "
        "new_1.wav: if it was trained on the same sound under other names, scores here are too good\n"
    )


def test_weights_that_are_damaged_or_gone_stop_whatever_their_fold(inside: Inside) -> None:
    initial, job = settled(inside)
    title = f"init.run: tiny ({initial.run.id[:8]})"
    path = initial.weights(2)
    path.write_bytes(path.read_bytes()[:-1])
    assert unfit(initial, job) == (
        f"{title}, fold 2: {path}: the weights are damaged (Error while deserializing header: incomplete metadata, "
        "file not fully covered); bring the file back from a copy, or train its run again"
    )
    path.unlink()
    assert unfit(initial, job) == (
        f"{title} lacks the weights of fold 2: run {initial.folds[2].id} has no file "
        "checkpoints/best/model.safetensors; bring it back from a copy, or train that run again"
    )
    one_fold = job.recipe.training.model_copy(update={"folds": (0, 1)})
    experiment = job.recipe.model_copy(update={"training": one_fold})
    check_initial_run(initial, replace(job, recipe=experiment))


def test_another_network_is_named_by_what_differs(inside: Inside) -> None:
    initial, job = settled(inside)
    title = f"init.run: tiny ({initial.run.id[:8]}) has another network"
    small, large = (
        inside.tiny(f"init.run=tiny model.kind=timm model.name=test_vit sampling.frames={frames}")
        for frames in (64, 128)
    )
    classes = len(job.dataset.classes)
    for fold in initial.folds:
        model = model_of(small, classes, fold, torch.device("cpu"))
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, initial.weights(fold))

    def trained_as(experiment: Experiment) -> InitialRun:
        params = {path: leaf_text(value) for path, value in flatten(experiment).items()}
        return replace(initial, run=replace(initial.run, params=params))

    check_initial_run(trained_as(small), replace(job, recipe=small))
    assert unfit(trained_as(small), replace(job, recipe=large)) == (
        f"{title}: sampling.frames is 64 in that run, 128 here; give the fields of that run"
    )
    assert unfit(trained_as(large), replace(job, recipe=large)) == (
        f"{title}: its fields are the same, its weights are not; train that run again with this version of the code"
    )


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "model.base_size=4",
            "has another network: model.base_size is 2 in that run, 4 here; give the fields of that run",
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
    source, before = the_run(store), store.find([])
    found = train(tuned, override, code=2).splitlines()[-1]
    if "{count}" in problem:
        table = store.read_table(source.id, "data/folds.parquet")
        count, first = found.split(" has ")[1].split(" clips")[0], found.split("such as ")[1].split(":")[0]
        assert 0 < int(count) < len(table)
        assert first in set(table["fname"])
        problem = problem.format(count=count, first=first)
    assert found == f"error: init.run: tiny ({source.id[:8]}) {problem}"
    assert store.find([]) == before


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


def test_a_fold_that_the_run_lacks_stops(tuned: Project, store_of: Connect) -> None:
    tuned.run("train", "tiny", "--set", "seed=5 name=one training.folds=[1] training.epochs=1")
    run = the_run(store_of(tuned), "one")
    done = tuned.run("train", "tiny", "--set", "init.run=one", code=2)
    assert done.stderr.splitlines()[-1] == (
        f"error: init.run: one ({run.id[:8]}) has no finished fold 0; it has 1: "
        "train that run's other folds first, or name those it has in training.folds"
    )


def test_predicting_anew_does_not_need_the_initial_run(tuned: Project, store_of: Connect) -> None:
    store = store_of(tuned)
    source = the_run(store)
    train(tuned, "name=heir")
    store.connection.call(store._client.delete_run, source.id)
    heir = the_run(store, "heir")
    tuned.run("predict", "--run", "heir")
    again = store.get(heir.id)
    assert again.metrics["cv_lwlrap"] == pytest.approx(heir.metrics["cv_lwlrap"], abs=1e-6)
    assert json.loads(store.read_text(store.children(heir.id)[0].id, "checkpoints/last/state.json"))["epoch"] == 1
