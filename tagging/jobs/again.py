"""Predict the clips of a finished experiment or stacker again, from its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tagging import RECIPE_VERSION
from tagging.contract import Kind, Tag
from tagging.errors import UserError
from tagging.jobs.lessons import Lessons
from tagging.jobs.prepare import prepare
from tagging.runs.finished import finished_folds
from tagging.runs.stored import stored_experiment
from tagging.tracking.store import Run, Store


def predict_again(store: Store, run: Run, overrides: Sequence[str] = (), data: Path | None = None) -> dict[str, float]:
    """Make the predictions and metrics of a finished run anew, log them and return the metrics.

    Raises UserError where the run has no finished folds, or data or settings are not those it was trained with.
    """
    if run.predicts_as == Kind.STACKER:
        from tagging.jobs.stacking.predict import predict_stacker_again

        return predict_stacker_again(store, run, overrides, data)
    return _experiment_again(store, run, overrides, data)


def _experiment_again(store: Store, run: Run, overrides: Sequence[str], data: Path | None) -> dict[str, float]:
    if (recipe := run.tags.get(Tag.RECIPE, "1")) != str(RECIPE_VERSION):
        raise UserError(
            f"{run.name} was trained with version {recipe} of the recipe, this is version {RECIPE_VERSION}, whose "
            "fields or numbers are others; use the commit in its tag git.commit, or train it again"
        )
    experiment = stored_experiment(store, run, overrides, data)
    prepared = prepare(experiment, weights=run.tags.get("weights.sha256", ""))
    if digest := run.tags.get("teacher.sha256"):  # the teacher itself need not be there any more
        prepared = replace(prepared, lessons=Lessons(digest, ()))
    for tag, digest in prepared.data_tags().items():
        if run.tags.get(tag) != digest:
            raise UserError(
                f"{prepared.dataset.folder} is not the data {run.name} was trained on: {tag} is {digest}, "
                f"the run's is {run.tags.get(tag)}; name the right folder with --data"
            )
    if prepared.fingerprint() != run.tags.get(Tag.FINGERPRINT):
        raise UserError(
            f"labels, sound or settings are not those {run.name} was trained with, and it keeps its numbers; "
            "give the same data, and no --set that changes numbers"
        )
    folds = finished_folds(store, run)
    from tagging.jobs.apply import restore_model
    from tagging.jobs.fold import predict_fold, stage
    from tagging.jobs.summary import summarise

    shared = stage(prepared)
    for fold, child in folds.items():
        model = restore_model(experiment, len(prepared.dataset.classes), fold, child.id, shared.device, store)
        predict_fold(shared, model, fold, child.id, run.id, store)
    return summarise(prepared, run, finished_folds(store, run), store)
