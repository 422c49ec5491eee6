"""`train` of a stacker, in this process, on real members: its run, its numbers, what it has never seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import rankdata
from sklearn.metrics import label_ranking_average_precision_score
from torch import nn

from tagging.config import flatten
from tagging.errors import UserError
from tagging.inference.blend import geometric_mean
from tagging.jobs.again import predict_again
from tagging.jobs.base_runs import stored_base_runs
from tagging.jobs.stacker import StackerJob
from tagging.jobs.stacker_models import fit, predict_folds, predict_with, restore_folds
from tagging.jobs.train import fold_run
from tagging.metrics import lwlrap
from tagging.models.stacking import FCNet
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run
from tagging.training.checkpoint import Checkpoints
from tagging.training.loop import epochs
from tests.project import read_csv
from tests.stacked import MEMBERS, Stacked

PARENT_FILES = {
    "config.yaml",
    "stacker.json",
    "data/folds.parquet",
    "data/warnings.txt",
    "environment.json",
    "figures/class_lwlrap.png",
    "figures/confusions.png",
    "figures/learning_curves.png",
    *(f"predictions/{half}/fold_{fold}.parquet" for half in ("test", "noisy") for fold in range(3)),
    "predictions/oof.parquet",
    "report.html",
    "tables/per_class.csv",
    "tables/per_class.parquet",
    "tables/per_clip.csv",
    "tables/per_clip.parquet",
}
FOLD_FILES = {
    "checkpoints/best/model.safetensors",
    "checkpoints/best/state.json",
    "checkpoints/last/model.safetensors",
    "checkpoints/last/optimizer.safetensors",
    "checkpoints/last/state.json",
    "predictions/oof.parquet",
    "report.html",
}
RIVALS = ("model.kind=logistic model.c=0.1", "model.kind=boosting model.rounds=10 model.min_leaf=1")


def inputs_of(stacked: Stacked, fnames: list[str]) -> np.ndarray:
    """Return what the members say of curated clips, mean over tiles, [n, F]."""
    blocks = [stacked.tiles(name).drop(columns=["fold", "tile"]).groupby("fname").mean() for name in MEMBERS]
    return np.concatenate([block.loc[fnames].to_numpy() for block in blocks], axis=1)


def values(table: pd.DataFrame) -> np.ndarray:
    return table.drop(columns=["fname", "fold"]).to_numpy()


def blended(stacked: Stacked, run: Run, paths: list[str]) -> np.ndarray:
    return geometric_mean([values(stacked.store.read_table(run.id, path)) for path in paths])


def test_its_run_is_as_an_experiments(stacked: Stacked) -> None:
    store, run = stacked.store, stacked.run("stacked")
    folds = store.children(run.id)
    assert (run.kind, run.status, run.dataset, run.tags["candidate"]) == ("stacker", "FINISHED", "demo", "yes")
    assert [(fold.kind, fold.tags["fold"], fold.status) for fold in folds] == [
        ("fold", str(number), "FINISHED") for number in range(3)
    ]
    members = [stacked.run(name) for name in MEMBERS]
    for tag in ("data.classes", "data.clips", "data.folds"):
        assert run.tags[tag] == members[0].tags[tag]
    assert set(run.params) == set(flatten(stacked.load()))
    assert json.loads(run.params["members"]) == [member.id for member in members]
    listed = [{"run": member.id, "name": member.name} for member in members]
    assert json.loads(store.read_text(run.id, "stacker.json")) == {"members": listed}
    assert [member.id for member in stored_base_runs(store, run)] == [member.id for member in members]
    assert set(store.list_files(run.id)) - {"code/git.diff"} == PARENT_FILES
    assert {*run.metrics} == {
        *("cv_lwlrap", "cv_lwlrap_corrected", "fold_lwlrap_mean", "fold_lwlrap_std", "best_epoch_gain")
    }
    for fold in folds:
        assert set(store.list_files(fold.id)) == FOLD_FILES
        assert {"val_lwlrap", "train_loss", "fold_lwlrap", "best_epoch", "best_val_lwlrap"} < set(fold.metrics)
    assert not (work_folder() / folds[0].id).exists()


def test_its_page_names_its_members(stacked: Stacked) -> None:
    text = stacked.run("stacked").tags["mlflow.note.content"]
    links = "; ".join(
        f"[{run.name}](#/experiments/{run.experiment_id}/runs/{run.id}) {run.metrics['cv_lwlrap']:.4f}"
        for run in map(stacked.run, MEMBERS)
    )
    assert (
        "**Learns from** the out-of-fold predictions of 2 members, in the order of its inputs, with their CV lwlrap: "
        f"{links}. The networks behind what a fold learns from have seen that fold's held-out clips, as in any stacking"
    ) in text


def test_its_score_is_that_of_all_clips_with_the_labels_they_came_with(stacked: Stacked) -> None:
    run = stacked.run("stacked")
    oof = stacked.store.read_table(run.id, "predictions/oof.parquet")
    labels = read_csv(stacked.demo / "train_curated.csv").set_index("fname")["labels"].str.split(",")
    assert list(oof["fname"]) == list(labels.index)
    classes = list(oof.columns[2:])
    truth = np.array([[name in labels[fname] for name in classes] for fname in oof["fname"]])
    score = label_ranking_average_precision_score(truth, values(oof), sample_weight=truth.sum(axis=1))
    assert run.metrics["cv_lwlrap"] == pytest.approx(score, abs=1e-12)


def test_a_fold_predicts_from_what_it_may_know(stacked: Stacked) -> None:
    """OOF from the mean over tiles, test from the members' means over folds, noisy from the members' own fold."""
    store, run = stacked.store, stacked.run("stacked")
    for child in store.children(run.id):
        fold = int(child.tags["fold"])
        model = FCNet(2 * 10, 10, 8, 4, 0.2)
        model.load_state_dict(load_file(store.fetch(child.id, "checkpoints/best/model.safetensors")))
        oof = store.read_table(child.id, "predictions/oof.parquet")
        assert set(oof["fold"]) == {fold}
        own = predict_with(model, inputs_of(stacked, list(oof["fname"])).astype(np.float32))
        np.testing.assert_allclose(values(oof), own, atol=1e-5)
        for half, folds in (("test", range(3)), ("noisy", [fold])):
            paths = [f"predictions/{half}/fold_{number}.parquet" for number in folds]
            members = [blended(stacked, stacked.run(name), paths) for name in MEMBERS]
            there = store.read_table(run.id, f"predictions/{half}/fold_{fold}.parquet")
            np.testing.assert_allclose(values(there), predict_with(model, np.concatenate(members, axis=1)), atol=1e-6)


def test_what_is_finished_is_not_trained_twice(stacked: Stacked, capsys: pytest.CaptureFixture[str]) -> None:
    run = stacked.run("stacked")
    assert stacked.train("name=another").id == run.id
    said = capsys.readouterr().out
    assert f"trained before, under the name stacked: run {run.id}; --again trains it again from the beginning" in said
    by_id = f"members=[{stacked.run('tiny').id[:8]}, other]"
    first = stacked.job().fingerprint()
    assert stacked.job(by_id).fingerprint() == first
    for change in ("members=[other, tiny]", "members=[tiny]", "seed=1", "model.dropout=0.1"):
        assert stacked.job(change).fingerprint() != first


@pytest.mark.parametrize("model", RIVALS)
def test_a_rival_leaves_the_same_and_predicts_new_sound_from_its_run(stacked: Stacked, model: str) -> None:
    kind, store = model.split()[0], stacked.store
    path = stacked.folder / f"{kind}.json"
    path.write_text(json.dumps({read_csv(stacked.demo / "train_curated.csv")["fname"][0]: "remove"}))
    run = stacked.train(model, f"name={kind} labels.corrections={path}")
    kept = {f"labels/{path.name}", *PARENT_FILES} - {"figures/learning_curves.png"}
    assert set(store.list_files(run.id)) - {"code/git.diff"} == kept
    weights = "checkpoints/best/model.safetensors"
    assert set(store.list_files(store.children(run.id)[0].id)) == {weights, "predictions/oof.parquet", "report.html"}
    assert len(store.read_table(run.id, "predictions/oof.parquet")) == 36  # what is removed is scored
    assert run.metrics["cv_lwlrap"] != run.metrics["cv_lwlrap_corrected"]
    assert all(fold.metrics["fit_seconds"] > 0 for fold in store.children(run.id))
    check_predictions(stacked, run)


def test_a_stacker_predicts_from_what_its_members_say(stacked: Stacked) -> None:
    check_predictions(stacked, stacked.run("stacked"))


def check_predictions(stacked: Stacked, run: Run) -> None:
    """Compare what a finished run makes of its members' words on the test clips with what it wrote of them."""
    store = stacked.store
    paths = store.list_files(run.id, "predictions/test")
    said = [blended(stacked, member, paths) for member in stored_base_runs(store, run)]
    again = predict_folds(restore_folds(store, run, 2, 10), said)
    assert (again.shape, again.dtype) == ((3, 8, 10), np.float32)
    for fold, probabilities in enumerate(again):
        there = values(store.read_table(run.id, f"predictions/test/fold_{fold}.parquet"))
        np.testing.assert_allclose(probabilities, there, atol=1e-7)
    with pytest.raises(UserError, match=r": stacker.json lists 1 member, but it was trained on 2; bring"):
        restore_folds(store, run, 1, 10)
    assert predict_again(store, run) == pytest.approx(run.metrics, abs=1e-9)


def test_a_stacker_keeps_its_numbers_where_others_would_come_out(stacked: Stacked) -> None:
    run = stacked.run("stacked")
    with pytest.raises(UserError) as caught:
        predict_again(stacked.store, run, ["model.dropout=0.5"])
    assert str(caught.value) == (
        "labels, members' predictions or settings are not those stacked was trained with, and it keeps its numbers; "
        "give the same data, and no --set that changes numbers"
    )
    tiny = stacked.run("tiny")
    with pytest.raises(UserError) as caught:
        restore_folds(stacked.store, tiny, 0, 10)
    assert str(caught.value) == f"tiny ({tiny.id[:8]}) is no stacker, but of kind experiment"


def learned(job: StackerJob, fold: int, folder: Path) -> nn.Module:
    """Return a fold's model when it has learned, after its last epoch where it has epochs."""
    if not job.predicting_epoch:
        clips = job.clips(fold, held_out=False)
        return fit(job.recipe, job.means.cpu().numpy()[clips], job.corrected[clips], fold)
    training = job.training(fold)
    assert len(list(epochs(training, Checkpoints(folder), lambda _: None))) == training.settings.epochs
    return training.parts.model


@pytest.mark.parametrize("model", ["model.kind=fcnet", *RIVALS])
def test_a_fold_learns_nothing_from_the_clips_it_holds_out(stacked: Stacked, tmp_path: Path, model: str) -> None:
    job = stacked.job(model)
    held_out = job.folds == 1
    inputs = job.means.numpy()[held_out]
    first = predict_with(learned(job, 1, tmp_path / "first"), inputs)
    tiles, labels = job.tiles.copy(), job.corrected.copy()
    tiles[np.repeat(held_out, job.lengths)] = 0.5
    labels[held_out] = 1 - labels[held_out]
    blind = replace(job, tiles=tiles, corrected=labels)
    assert np.array_equal(predict_with(learned(blind, 1, tmp_path / "blind"), inputs), first)
    others = replace(job, corrected=1 - labels)
    assert not np.array_equal(predict_with(learned(others, 1, tmp_path / "others"), inputs), first)


LEARNS_BY_HEART = {
    "fcnet": "optimizer.lr=6e-3 sampling.batch_size=24 sampling.draws_per_epoch=4800 training.epochs=1 "
    "model.base_size=64 model.reduction=1 model.dropout=0 augment.crop_prob=0 augment.subset_prob=0",
    "logistic": "model.kind=logistic model.c=100",
    "boosting": "model.kind=boosting model.rounds=20 model.min_leaf=1",
}


@pytest.mark.parametrize("kind", LEARNS_BY_HEART)
def test_shuffled_labels_leave_chance_out_of_fold_though_they_are_learned(
    stacked: Stacked, tmp_path: Path, kind: str
) -> None:
    job = stacked.job(LEARNS_BY_HEART[kind])
    # what hardly trained members say, spread over 0 to 1 as those of trained ones, in the same order
    spread = rankdata(job.tiles, axis=0) / len(job.tiles)
    job = replace(job, tiles=spread.astype(np.float32))
    folds, labels, inputs = job.folds, job.corrected, job.means.numpy()
    found, chance, fitting = [], [], []
    for shuffle in range(3):
        generator = np.random.default_rng(shuffle)
        wrong = labels[generator.permutation(len(labels))]
        scores = np.zeros_like(labels)
        for fold in range(3):
            model = learned(replace(job, corrected=wrong), fold, tmp_path / f"{shuffle}_{fold}")
            scores[folds == fold] = predict_with(model, inputs[folds == fold])
            fitting.append(lwlrap(wrong[folds != fold], predict_with(model, inputs[folds != fold])))
        found.append(lwlrap(wrong, scores))
        chance += [lwlrap(labels[generator.permutation(len(labels))], scores) for _ in range(50)]
    margin = 3 * np.std(chance) / np.sqrt(len(found))
    assert np.mean(found) < np.mean(chance) + margin
    assert np.mean(fitting) > np.mean(chance) + 0.2 + margin


def test_killed_and_continued_equals_not_killed(stacked: Stacked) -> None:
    """As by SIGKILL: what is not in the checkpoint is gone, and who goes on knows nothing of who began."""
    store, whole = stacked.store, stacked.run("stacked")
    parent = store.start("demo", "stacker", "broken", {}, {})
    child = fold_run(store, stacked.job(), parent, 0, None)
    begun = stacked.job().fold_epochs(0, child, parent, store)
    first = next(begun)
    begun.close()
    torch.rand(100)  # the global generator has moved on meanwhile
    rest = list(stacked.job().fold_epochs(0, child, parent, store))
    assert rest[0] == first
    other = store.children(whole.id)[0]
    for run in (child, other):
        assert len(json.loads(store.read_text(run.id, "checkpoints/last/state.json"))["history"]) == 3
    for path in ("checkpoints/last/model.safetensors", "checkpoints/best/model.safetensors"):
        ours, theirs = (load_file(store.fetch(run.id, path)) for run in (child, other))
        assert all(ours[name].equal(theirs[name]) for name in theirs)
    assert store.get(child.id).metrics["fold_lwlrap"] == other.metrics["fold_lwlrap"]
    store.finish(parent.id, "KILLED")


def test_removed_clips_are_neither_learned_nor_validated_on(stacked: Stacked) -> None:
    fnames = read_csv(stacked.demo / "train_curated.csv")["fname"]
    path = stacked.folder / "list.json"
    path.write_text(json.dumps({fnames[0]: "remove", fnames[1]: "Beeps"}))
    job = stacked.job(f"labels.corrections={path}")
    assert job.label_lists == (path,)
    assert np.flatnonzero(job.removed).tolist() == [0]
    for fold in range(3):
        trained_on, held_out = (set(job.clips(fold, held_out=flag).tolist()) for flag in (False, True))
        assert trained_on | held_out == set(range(1, 36))
        assert not trained_on & held_out
    classes = job.dataset.classes
    assert job.corrected[1].tolist() == [float(name == "Beeps") for name in classes]
