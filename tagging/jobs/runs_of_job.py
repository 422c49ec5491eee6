"""The runs of a job: what its parent run logs, and a fold run for each fold."""

from __future__ import annotations

import time
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
from tagging.runs.result import fold_metrics
from tagging.tracking.place import work_folder
from tagging.tracking.provenance import code_tags, log_provenance
from tagging.tracking.store import Run, Store

LONGEST_TAG = 4000  # characters; the first tell most


def identity_tags(prepared: Job) -> dict[str, object]:
    """Return the tags of what a job computes, on which data, from which runs, by which code."""
    return {
        **prepared.identity(),
        **prepared.tags,
        **code_tags(),
        "warnings": len(prepared.warnings),
        Tag.RECIPE: RECIPE_VERSION,
    }


def log_inputs(store: Store, run: Run, prepared: Job) -> None:
    """Log what the run is made of; done anew when a run is continued, since a kill may have come between."""
    # which folds a start asks for is no part of the run: a later one may bring the rest
    everything = prepared.experiment.training.model_copy(update={"folds": ()})
    experiment = prepared.experiment.model_copy(update={"training": everything})
    params = {path: leaf_text(value) for path, value in flatten(experiment).items()}
    store.log_params(run.id, {path: text for path, text in params.items() if path not in run.params})
    if not store.has_file(run.id, File.CONFIG):
        store.log_text(run.id, showable(to_yaml(experiment)), File.CONFIG)
    folds = pd.DataFrame({"fname": prepared.dataset.curated.fnames, "fold": prepared.folds})
    store.log_table(run.id, folds, File.FOLDS)
    log_provenance(store, run.id)
    if prepared.warnings:
        store.log_text(run.id, "\n".join(prepared.warnings) + "\n", File.WARNINGS)
    for path in prepared.label_lists:
        store.log_file(run.id, path, "labels")


def is_lost(fold: Run) -> bool:
    """Return whether an interrupted fold run has epochs in the store, but no checkpoint in this work folder."""
    return "val_lwlrap" in fold.metrics and not (work_folder() / fold.id).is_dir()


def fold_run(store: Store, parent: Run, fold: int, before: Run | None) -> Run:
    """Return the run to train a fold in: the interrupted one, unless its checkpoint is gone."""
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


def fold_scores(folds: Mapping[int, Run]) -> dict[str, float]:
    """Return mean and standard deviation of finished folds' lwlrap, as `fold_metrics` does."""
    return fold_metrics([folds[fold].score(Metric.FOLD_LWLRAP) for fold in sorted(folds)])


def log_progress(store: Store, run: Run, finished: Mapping[int, Run], planned: int) -> None:
    """Log mean and deviation of a parent's finished folds, at the step of their number, and how many are finished.

    Points that the store has are not logged twice, so that a start after a kill adds the missing one.
    """
    step = len(finished)
    scores = fold_scores(finished) if finished else {}
    new = {name: value for name, value in scores.items() if store.curve(run.id, name).get(step) != value}
    store.log_epochs(run.id, [{"epoch": step, "time_ms": time.time_ns() // 1_000_000, **new}])
    store.set_tags(run.id, {"folds": f"{step} of {planned}"})


def tell_apart(store: Store, run: Run) -> None:
    """Set the tag `apart` of each run of this kind and data set: the settings in which it differs from the others."""
    runs = store.search({Tag.KIND: run.kind}, run.dataset)
    for one, text in zip(runs, told_apart([one.params for one in runs]), strict=True):
        if one.tags.get(Tag.APART, "") != (shown := text[:LONGEST_TAG]):
            store.set_tags(one.id, {Tag.APART: shown})


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
