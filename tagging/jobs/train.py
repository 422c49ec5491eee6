"""Train a job: reuse or continue the run of an earlier start, train the folds that are missing, sum them up."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Mapping

from tagging.jobs.job import Job
from tagging.jobs.runs_of_job import ending, fold_run, identity_tags, log_inputs, log_progress, tell_apart
from tagging.progress import say
from tagging.runs.finished import fold_runs
from tagging.tracking.ownership import link_launch
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store


def is_complete(run: Run, job: Job, store: Store) -> bool:
    """Tell whether a run is finished, with all folds that the job asks for."""
    done = [fold for fold, child in fold_runs(store, run).items() if child.status == "FINISHED"]
    return run.status == "FINISHED" and set(job.folds_to_run) <= set(done)


def train_job(job: Job, before: Run | None, lineage: Mapping[str, str], store: Store) -> Run:
    """Train the missing folds of a job in the run `before`, or in a new one, and return it.

    `lineage` becomes tags of a new run, beside those of the job.
    """
    run = _continue(store, before) if before else _start(store, job, lineage)
    link_launch(store, run)
    say(store.where_to_look(run))
    with ending(store, run):
        log_inputs(store, run, job)
        tell_apart(store, run)
        job.begin(run, store)
        _train_missing(job, run, store)
    return store.get(run.id)


def _start(store: Store, job: Job, lineage: Mapping[str, str]) -> Run:
    recipe = job.experiment
    tags = {**identity_tags(job), **lineage}
    return store.start(job.dataset.name, job.kind, recipe.name, tags, {}, description=recipe.notes)


def _continue(store: Store, run: Run) -> Run:
    say(f"continuing run {run.title}, which was interrupted or lacks folds")
    store.reopen(run.id)
    for fold in store.children(run.id):
        if fold.status == "FINISHED":  # killed just before it was cleared away
            shutil.rmtree(work_folder() / fold.id, ignore_errors=True)
    return run


def _train_missing(job: Job, run: Run, store: Store) -> None:
    from tagging.jobs.summary import summarise  # with Matplotlib

    known = fold_runs(store, run)
    finished = {fold: child for fold, child in known.items() if child.status == "FINISHED"}
    log_progress(store, run, finished, job.num_folds)
    for fold in [fold for fold in job.folds_to_run if fold not in finished]:
        child = fold_run(store, run, fold, known.get(fold))
        deque(job.fold_epochs(fold, child, run, store), maxlen=0)
        finished[fold] = store.get(child.id)
        log_progress(store, run, finished, job.num_folds)
    summarise(job, run, finished, store)
