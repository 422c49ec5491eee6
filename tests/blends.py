"""Writes runs that are blends of others, by the formats that commands read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from tagging.config import Stacker
from tagging.config.load import load, to_yaml
from tagging.jobs.stacker_models import stacker_model
from tagging.models.stacking import BoostedTrees
from tagging.runs.stored import class_columns
from tagging.tracking.store import Run, Store

FOLDS = 3
SIZES = {
    "fcnet": ("model.base_size=8", "model.reduction=4"),
    "logistic": (),
    "boosting": ("model.rounds=2", "model.leaves=2"),
}
TEST = "predictions/test/fold_{}.parquet"


def start(store: Store, kind: str, name: str, like: Run) -> Run:
    """Start a run with the files that are the same in all kinds."""
    run = store.start(like.dataset, kind, name, {"data.classes": like.tags["data.classes"]}, {})
    for path in ("data/folds.parquet", "predictions/oof.parquet"):
        store.log_table(run.id, store.read_table(like.id, path), path)
    return run


def fold_of(store: Store, run: Run, fold: int) -> Run:
    return store.start(run.dataset, "fold", f"{run.name} fold {fold}", {"fold": fold}, {}, run)


def rotated(store: Store, tiny: Run) -> Run:
    """Write an experiment whose fold K is fold K + 1 of `tiny`."""
    run = start(store, "experiment", "rotated", tiny)
    store.log_text(run.id, store.read_text(tiny.id, "config.yaml"), "config.yaml")
    children = {int(child.tags["fold"]): child for child in store.children(tiny.id)}
    for fold in range(FOLDS):
        other = (fold + 1) % FOLDS
        child = fold_of(store, run, fold)
        store.log_folder(child.id, store.fetch(children[other].id, "checkpoints/best"), "checkpoints/best")
        store.log_table(run.id, store.read_table(tiny.id, TEST.format(other)).assign(fold=fold), TEST.format(fold))
        store.finish(child.id, "FINISHED")
    return finished(store, run)


def stacker(store: Store, kind: str, members: list[Run], folder: Path, classes: int) -> Run:
    """Write a stacker with random weights."""
    run = start(store, "stacker", f"stacked {kind}", members[0])
    names = f"members=[{','.join(member.name for member in members)}]"
    recipe = load("stacker", [names, f"model.kind={kind}", *SIZES[kind]])
    assert isinstance(recipe, Stacker)
    store.log_text(run.id, to_yaml(recipe), "config.yaml")
    entries = [{"run": member.id, "name": member.name} for member in members]
    store.log_json(run.id, {"members": entries}, "stacker.json")
    for fold in range(FOLDS):
        child = fold_of(store, run, fold)
        model = stacker_model(recipe, len(members) * classes, classes, fold)
        if isinstance(model, BoostedTrees):
            plant(model)
        save_file(model.state_dict(), folder / "model.safetensors")
        store.log_file(child.id, folder / "model.safetensors", "checkpoints/best")
        store.finish(child.id, "FINISHED")
    return finished(store, run)


def plant(trees: BoostedTrees) -> None:
    """Give each tree one branch and random leaves."""
    trees.threshold.uniform_()
    trees.value.normal_()
    for node, (left, right) in enumerate([(1, 2), (1, 1), (2, 2)]):
        trees.left[..., node], trees.right[..., node] = left, right


def ensemble(store: Store, method: str, members: list[Run], weights: list[float]) -> Run:
    run = start(store, "ensemble", "all of them", members[0])
    pairs = zip(members, weights, strict=True)
    entries = [{"run": one.id, "name": one.name, "kind": one.kind, "weight": weight} for one, weight in pairs]
    store.log_json(run.id, {"method": method, "members": entries}, "ensemble.json")
    return finished(store, run)


def finished(store: Store, run: Run) -> Run:
    store.finish(run.id, "FINISHED")
    return store.get(run.id)


def probabilities(store: Store, run: Run) -> list[np.ndarray]:
    tables = [store.read_table(run.id, TEST.format(fold)) for fold in range(FOLDS)]
    return [table[class_columns(table)].to_numpy() for table in tables]
