"""The reports of a trained run and of its folds, from the files in the store and the sound of the data set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tagging.contract import File, Kind, Metric
from tagging.data.dataset import Dataset
from tagging.errors import UserError
from tagging.pages.cards import Scored, Sounds
from tagging.pages.experiment import epochs_of, experiment_page
from tagging.pages.fold import fold_page
from tagging.runs.finished import finished_folds, rivals
from tagging.runs.predictions import read_out_of_fold
from tagging.runs.stored import read_predictions
from tagging.tracking.store import Run, Store


def sounds_of(dataset: Dataset | None) -> Sounds:
    """Return the excerpts of a data set's curated clips; none of a data set that is not there."""
    if dataset is None:
        return Sounds({})
    return Sounds(dict(zip(dataset.curated.fnames, dataset.curated.paths, strict=True)))


def reports(store: Store, run: Run, dataset: Dataset | None, sounds: Sounds, clips: int) -> Iterator[tuple[Run, str]]:
    """Yield each finished fold of an experiment, stacker or trial with its report; with all folds, the run's too.

    `clips`: cards in each list of clips. The labels are those that are stored with the run; of a run without all folds
    those of `dataset`. Raises UserError where no fold is finished, files are damaged, or labels are missing.
    """
    folds = finished_folds(store, run)
    complete = store.has_file(run.id, File.OOF)
    scored = scored_of(store, run) if complete else _held_out(store, run, folds, dataset)
    epochs = epochs_of(store, folds)
    for fold, child in folds.items():
        yield child, fold_page(folds, fold, epochs, scored, sounds, clips)
    if complete:
        yield run, experiment_page(store, run, scored, sounds, clips, best_rival(store, run))


def scored_of(store: Store, run: Run) -> Scored:
    """Return the out-of-fold predictions of all curated clips by a run that has them."""
    oof = read_out_of_fold(store, [run])
    return Scored(oof.classes, oof.fnames, oof.folds, oof.truth, oof.probabilities[0])


def best_rival(store: Store, run: Run) -> tuple[Run, Scored] | None:
    """Return the best other run on the same clips and folds with its predictions, None where none can be read."""
    try:
        kinds = dict.fromkeys((Kind.EXPERIMENT, run.kind))  # what learns from others is no rival of an experiment
        best = max(rivals(store, run, kinds), key=lambda one: one.metrics[Metric.CV_LWLRAP], default=None)
        return None if best is None else (best, scored_of(store, best))
    except UserError:  # somebody deleted one, or its tags: nothing that should stop this report
        return None


def _held_out(store: Store, run: Run, folds: dict[int, Run], dataset: Dataset | None) -> Scored:
    """Return the predictions that some folds made of their held-out clips, with the labels of the data set."""
    if dataset is None:
        raise UserError(f"{run.title} is not trained on all its folds, and the labels of its clips cannot be read")
    classes = list(dataset.classes)
    table = pd.concat([read_predictions(store, child, File.OOF) for child in folds.values()])
    rows = {fname: row for row, fname in enumerate(dataset.curated.fnames)}
    unknown = [fname for fname in table["fname"] if fname not in rows]
    if unknown or list(table.columns) != ["fname", "fold", *classes]:
        raise UserError(f"{run.title} has other clips or classes than {dataset.folder}; give its data set with --data")
    truth = dataset.curated.labels[[rows[fname] for fname in table["fname"]]]
    return Scored(classes, list(table["fname"]), table["fold"].to_numpy(np.int64), truth, table[classes].to_numpy())
