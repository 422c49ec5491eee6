"""Predict with a finished stacker: from what its members say of new clips, or its own clips again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from tagging.config import Stacker
from tagging.contract import File, Tag
from tagging.errors import UserError
from tagging.jobs import build
from tagging.jobs.inputs import read_labelled
from tagging.jobs.stacking.fold import predict_stacker_fold, stacker_stage
from tagging.jobs.stacking.models import WEIGHTS, Predictor, predictor_of
from tagging.jobs.stacking.prepare import prepare_stacker
from tagging.jobs.summary import summarise
from tagging.report.wording import count
from tagging.runs.finished import finished_folds
from tagging.runs.stored import read_members, stored_recipe
from tagging.tracking.files import REPLACE
from tagging.tracking.store import Run, Store
from tagging.training.checkpoint import load_weights


def stacker_members(store: Store, run: Run) -> list[Run]:
    """Return the runs that a stacker learned from, in the order of its inputs; UserError where one is gone."""
    problems, runs = [], []
    for member in read_members(store, run, File.STACKER)["members"]:
        try:
            runs.append(store.get(member["run"]))
        except UserError as error:
            problems += [f"{run.title} needs its member {member['name']}: {problem}" for problem in error.problems]
    if problems:
        raise UserError(*problems, "without its members a stacker predicts nothing new; train it on others")
    return runs


def predict_stacker(store: Store, run: Run, members: Sequence[np.ndarray]) -> np.ndarray:
    """Return what each fold of a stacker makes of its members' probabilities: [K, n, C] float32, by number of the fold.

    `members`: of each, in the order of `stacker_members`, [n, C] in 0..1, the geometric mean over its folds of the mean
    over tiles. Raises UserError where it was trained on another number of members, or lacks folds or weights.
    """
    stacker = stored_stacker(store, run)
    if len(members) != len(stacker.members):
        told = count(len(members), "member")
        raise UserError(
            f"{run.title}: {File.STACKER} lists {told}, but it was trained on {len(stacker.members)}; {REPLACE}"
        )
    inputs = np.concatenate(members, axis=1).astype(np.float32)
    predictors = _predictors(store, run, stacker, members[0].shape[1])
    return np.stack([predictors[fold](inputs) for fold in sorted(predictors)])


def predict_stacker_again(
    store: Store, run: Run, overrides: Sequence[str] = (), data: Path | None = None
) -> dict[str, float]:
    """Make the predictions and metrics of a finished stacker anew, log them and return the metrics.

    Raises UserError where the labels, the members' predictions or the settings are not those it was trained with.
    """
    stacker = stored_stacker(store, run, overrides, data)
    prepared = prepare_stacker(stacker, store, read_labelled(stacker).dataset)
    if prepared.fingerprint() != run.tags.get(Tag.FINGERPRINT):
        raise UserError(
            f"labels, members' predictions or settings are not those {run.name} was trained with, and it keeps its "
            "numbers; give the same data, and no --set that changes numbers"
        )
    shared, folds = stacker_stage(prepared), finished_folds(store, run)
    for fold, predict in _predictors(store, run, prepared.experiment, len(prepared.dataset.classes)).items():
        predict_stacker_fold(shared, predict, fold, folds[fold], run, store)
    return summarise(prepared, run, folds, store)


def stored_stacker(store: Store, run: Run, overrides: Sequence[str] = (), data: Path | None = None) -> Stacker:
    """Return what a stacker was trained by, as `stored_recipe` does; UserError for a run of another kind."""
    stacker = stored_recipe(store, run, overrides, data)
    if not isinstance(stacker, Stacker):
        raise UserError(f"{run.title} is no stacker, but of kind {run.kind}")
    return stacker


def _predictors(store: Store, run: Run, stacker: Stacker, classes: int) -> dict[int, Predictor]:
    """Return what each finished fold predicts with."""
    inputs = len(stacker.members) * classes
    folds = finished_folds(store, run)
    return {fold: predictor_of(_stored_model(stacker, store, child, inputs, classes)) for fold, child in folds.items()}


def _stored_model(stacker: Stacker, store: Store, fold: Run, inputs: int, classes: int) -> nn.Module:
    model = build.stacker_of(stacker, inputs, classes)
    with store.reading(fold.id, WEIGHTS) as local:
        load_weights(model, local)
    return model.to(build.device_of(stacker))
