"""Train an experiment or a stacker: reuse or continue its run, print what comes out."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tagging.config import AnyRecipe
from tagging.contract import Metric
from tagging.jobs.device import check_machine
from tagging.jobs.inputs import Labelled, read_labelled
from tagging.jobs.prepare import job_of
from tagging.jobs.train import train_job
from tagging.progress import say, warn
from tagging.runs.finished import fold_runs, open_store_to_train
from tagging.tracking.store import Run, Store


def train(recipe: AnyRecipe, lineage: Mapping[str, str], again: bool = False, labelled: Labelled | None = None) -> Run:
    """Train the folds an experiment or a stacker asks for and return its run.

    `lineage` (config.lineage) becomes tags of the run. Finished folds are not trained twice, interrupted ones are
    continued; `again` trains a finished run anew; `labelled` are the data where they are read already. Raises UserError
    for bad input, and where another process trains the same.
    """
    labelled = labelled or read_labelled(recipe)
    check_machine(recipe)  # what the machine cannot do stops before any work
    store = open_store_to_train()
    job = job_of(recipe, store, labelled)
    data = job.dataset
    say(
        f"{data.name}: {len(data.curated)} curated, {len(data.noisy)} noisy, {len(data.test)} test clips, "
        f"{len(data.classes)} classes, {job.num_folds} folds"
    )
    for warning in job.warnings:
        warn(warning)
    run = train_job(job, lineage, again, store)
    _tell_result(run, store)
    return run


def _tell_result(run: Run, store: Store) -> None:
    folds = sorted(fold_runs(store, run).items())
    scores = ", ".join(
        f"{child.metrics[Metric.FOLD_LWLRAP]:.4f}" for _, child in folds if Metric.FOLD_LWLRAP in child.metrics
    )
    metrics = run.metrics
    spread = f"{metrics.get(Metric.FOLD_MEAN, math.nan):.4f}"
    if Metric.FOLD_STD in metrics:
        spread += f" ± {metrics[Metric.FOLD_STD]:.4f}"
    if Metric.CV_LWLRAP in metrics:
        say(f"\nCV lwlrap {metrics[Metric.CV_LWLRAP]:.4f}   folds {spread} ({scores})")
        if run.params.get("labels.corrections"):
            corrected = metrics.get("cv_lwlrap_corrected", math.nan)
            say(f"on corrected labels {corrected:.4f}; the CV counts all clips with original ones")
    else:
        say(f"\nfold lwlrap {spread} ({scores}); a CV lwlrap needs all folds")
    if Metric.CV_ACCURACY in metrics:
        say(f"CV accuracy {metrics[Metric.CV_ACCURACY]:.4f}")
    say(f"run {run.name} ({run.id}) of data set {run.dataset}")
    say(store.where_to_look(run))
