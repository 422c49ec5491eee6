"""Predict the clips of a finished experiment or stacker again, from its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tagging import RECIPE_VERSION
from tagging.config import Stacker
from tagging.contract import Tag
from tagging.errors import UserError
from tagging.jobs.earlier_runs import SoftTargets
from tagging.jobs.inputs import read_labelled
from tagging.jobs.job import Job
from tagging.jobs.prepare import prepare
from tagging.jobs.stacker import prepare_stacker
from tagging.jobs.user_files import check_stored
from tagging.runs.finished import finished_folds
from tagging.runs.stored import stored_recipe
from tagging.tracking.store import Run, Store


def predict_again(store: Store, run: Run, overrides: Sequence[str] = (), data: Path | None = None) -> dict[str, float]:
    """Make the predictions and metrics of a finished run anew, log them and return the metrics.

    Raises UserError where the run lacks folds, or data or settings are not those it was trained with.
    """
    if (version := run.tags.get(Tag.RECIPE, "1")) != str(RECIPE_VERSION):
        raise UserError(
            f"{run.name} was trained with version {version} of the recipe, this is version {RECIPE_VERSION}, "
            "with other fields or numbers; use the commit in its tag git.commit, or train it again"
        )
    recipe = stored_recipe(store, run, overrides, data)
    job: Job
    if isinstance(recipe, Stacker):
        job = prepare_stacker(recipe, store, read_labelled(recipe).dataset)
    else:  # its initial run, its teacher and its file of initial weights may be gone
        check_stored(store, run, recipe)
        digest = run.tags.get("teacher.sha256")
        prepared = prepare(recipe, weights=run.tags.get("weights.sha256", ""))
        job = replace(prepared, soft_targets=SoftTargets(digest, ()) if digest else None)
    for tag, digest in job.data_tags().items():
        if run.tags.get(tag) != digest:
            raise UserError(
                f"{job.dataset.folder} is not the data {run.name} was trained on: {tag} is {digest}, "
                f"the run's is {run.tags.get(tag)}; name the right folder with --data"
            )
    if job.fingerprint() != run.tags.get(Tag.FINGERPRINT):
        raise UserError(
            f"labels, {job.learns_from} or settings are not those {run.name} was trained with, and it keeps its "
            "numbers; give the same data, and no --set that changes numbers"
        )
    folds = finished_folds(store, run)
    for fold, child in folds.items():
        job.predict_fold(job.stored_model(fold, child, store), fold, child, run, store)
    from tagging.jobs.summary import summarise  # with Matplotlib

    return summarise(job, run, finished_folds(store, run), store)
