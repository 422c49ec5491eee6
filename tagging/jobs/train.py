"""The run of a job, from its start to its end: found again, continued or new, with a fold run for each fold."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pandas as pd

from tagging import RECIPE_VERSION
from tagging.config import flatten, told_apart
from tagging.config.load import leaf_text, to_yaml
from tagging.contract import File, Kind, Metric, Tag
from tagging.errors import UserError
from tagging.jobs.job import Job
from tagging.masking import showable
from tagging.progress import say, warn
from tagging.runs.finished import fold_runs, latest_run, rivals
from tagging.runs.result import CONSTANT, far_below, fold_scores, predicts_constant
from tagging.runs.stored import read_predictions
from tagging.tracking.ownership import link_launch, own
from tagging.tracking.place import work_folder
from tagging.tracking.provenance import code_tags, log_provenance
from tagging.tracking.store import Run, Store

LONGEST_TAG = 4000  # characters; the first tell most
LOOK_AT = "look at its curves and its settings, the learning rate first"


def train_job(job: Job, lineage: Mapping[str, str], again: bool, store: Store) -> Run:
    """Train the missing folds of a job and return its run: one of the same fingerprint, or a new one.

    `lineage` becomes tags of a new run, beside those of the job. A run that is finished, with all folds that the job
    asks for, is returned as it is; `again` trains a new one instead. Raises UserError where another process trains
    the same.
    """
    fingerprint = job.fingerprint()
    with own(fingerprint):
        run = latest_run(store, job.kind, fingerprint)
        finished = _finished(store, run) if run else {}
        if run and run.status == "FINISHED" and set(job.folds_to_run) <= finished.keys() and not again:
            other = "" if run.name == job.recipe.name else f", under the name {run.name}"
            say(f"trained before{other}: run {run.id}; --again trains it again from the beginning")
            link_launch(store, run)
            return run
        if run is None or (again and run.status == "FINISHED"):
            tags, recipe = {**identity_tags(job), **lineage}, job.recipe
            run = store.start(job.dataset.name, job.kind, recipe.name, tags, {}, description=recipe.notes)
        else:
            say(f"continuing run {run.title}, which was interrupted or lacks folds")
            store.reopen(run.id)
            for fold in finished.values():  # killed just before it was cleared away
                shutil.rmtree(work_folder() / fold.id, ignore_errors=True)
        link_launch(store, run)
        say(store.where_to_look(run))
        with ending(store, run):
            log_inputs(store, run, job)
            _tell_apart(store, run)
            job.begin(run, store)
            _train_missing(job, run, store)
        run = store.get(run.id)
        _warn_of_poor(job, run, store)
    return run


def _finished(store: Store, run: Run) -> dict[int, Run]:
    return {fold: child for fold, child in fold_runs(store, run).items() if child.status == "FINISHED"}


def _train_missing(job: Job, run: Run, store: Store) -> None:
    from tagging.jobs.summary import summarise  # with Matplotlib

    known, finished = fold_runs(store, run), _finished(store, run)
    _log_progress(store, run, finished, job.num_folds)
    for fold in [fold for fold in job.folds_to_run if fold not in finished]:
        child = fold_run(store, job, run, fold, known.get(fold))
        deque(job.fold_epochs(fold, child, run, store), maxlen=0)
        finished[fold] = store.get(child.id)
        _log_progress(store, run, finished, job.num_folds)
    summarise(job, run, finished, store)


def identity_tags(job: Job) -> dict[str, object]:
    """Return the tags of what a job computes, on which data, from which runs, by which code."""
    return {
        Tag.FINGERPRINT: job.fingerprint(),
        **job.data_tags(),
        **job.tags,
        **code_tags(),
        "warnings": len(job.warnings),
        Tag.RECIPE: RECIPE_VERSION,
    }


def log_inputs(store: Store, run: Run, job: Job) -> None:
    """Log what the run is made of; done anew when a run is continued, since a kill may have come between."""
    # which folds a start asks for is no part of the run: a later one may bring the rest
    recipe = job.recipe.changed("training.folds", ())
    params = {path: leaf_text(value) for path, value in flatten(recipe).items()}
    store.log_params(run.id, {path: text for path, text in params.items() if path not in run.params})
    if not store.has_file(run.id, File.CONFIG):
        store.log_text(run.id, showable(to_yaml(recipe)), File.CONFIG)
    folds = pd.DataFrame({"fname": job.dataset.curated.fnames, "fold": job.folds})
    store.log_table(run.id, folds, File.FOLDS)
    log_provenance(store, run.id)
    if job.warnings:
        store.log_text(run.id, "\n".join(job.warnings) + "\n", File.WARNINGS)
    for path in job.label_lists:
        store.log_file(run.id, path, "labels")
    if job.label_lists:
        digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in job.label_lists}
        store.set_tags(run.id, {"labels.sha256": ", ".join(f"{name} {digest}" for name, digest in digests.items())})


def _tell_apart(store: Store, run: Run) -> None:
    """Set the tag `apart` of each run of this kind and data set: the settings in which it differs from the others."""
    runs = store.search({Tag.KIND: run.kind}, run.dataset)
    for one, text in zip(runs, told_apart([one.params for one in runs]), strict=True):
        if one.tags.get(Tag.APART, "") != (shown := text[:LONGEST_TAG]):
            store.set_tags(one.id, {Tag.APART: shown})


def is_lost(fold: Run) -> bool:
    """Return whether an interrupted fold run has epochs in the store, but no checkpoint in this work folder."""
    return "val_lwlrap" in fold.metrics and not (work_folder() / fold.id).is_dir()


def fold_run(store: Store, job: Job, parent: Run, fold: int, before: Run | None) -> Run:
    """Return the run to train a fold in: the interrupted one, unless its checkpoint is gone.

    It names the clips that it reads, and has the description of a fold in training.
    """
    run = _opened(store, parent, fold, before)
    store.log_data(run.id, job.data_inputs(fold))
    store.set_tags(run.id, {Tag.NOTE: job.fold_page(fold, parent, "RUNNING")})
    return run


def _opened(store: Store, parent: Run, fold: int, before: Run | None) -> Run:
    """Open the interrupted run of a fold again, or start one."""
    if before is not None:
        if not is_lost(before):
            store.reopen(before.id)
            return before
        # its epochs cannot be continued, and would stand there twice
        store.set_tags(before.id, {Tag.STATE: "REPLACED"})
    # `parent`: a name by which the UI can put the folds of one run together
    tags = {Tag.FOLD: fold, "parent": f"{parent.name} {parent.id[:8]}"}
    tags |= {tag: parent.tags[tag] for tag in (Tag.FINGERPRINT, Tag.LOCK) if tag in parent.tags}
    return store.start(parent.dataset, Kind.FOLD, f"{parent.name} fold {fold}", tags, {}, parent)


def _log_progress(store: Store, run: Run, finished: Mapping[int, Run], planned: int) -> None:
    """Log mean and deviation of a parent's finished folds, at the step of their number, and how many are finished.

    Points that the store has are not logged twice, so that a start after a kill adds the missing one.
    """
    step = len(finished)
    scores = fold_scores(finished) if finished else {}
    new = {name: value for name, value in scores.items() if store.curve(run.id, name).get(step) != value}
    store.log_epochs(run.id, [{"epoch": step, "time_ms": time.time_ns() // 1_000_000, **new}])
    store.set_tags(run.id, {"folds": f"{step} of {planned}"})


@contextmanager
def ending(store: Store, run: Run) -> Iterator[None]:
    """End a parent run in any case, as FINISHED, KILLED (Ctrl-C) or FAILED with the tag `error`."""
    try:
        yield
    except BaseException as error:
        hasty = store.impatient()
        with suppress(UserError):  # the store itself may be what failed
            if not isinstance(error, KeyboardInterrupt):
                text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                hasty.set_tags(run.id, {Tag.ERROR: text[:500]})
            hasty.finish(run.id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    store.finish(run.id, "FINISHED")


def _warn_of_poor(job: Job, run: Run, store: Store) -> None:
    """Warn where a whole run predicts the same for every clip, or lies far below the other runs on these clips."""
    if run.tags.get(Tag.CANDIDATE) != "yes":
        return
    oof = read_predictions(store, run, File.OOF)
    if predicts_constant(oof[list(job.dataset.classes)].to_numpy(), oof["fold"].to_numpy()):
        warn(f"{run.title}: {CONSTANT}; {LOOK_AT}")
        return
    scores = [one.metrics[Metric.CV_LWLRAP] for one in rivals(store, run)]
    if problem := far_below(run.score(Metric.CV_LWLRAP), scores, job.dataset.curated.labels):
        warn(f"{run.title}: {problem}; {LOOK_AT}")
