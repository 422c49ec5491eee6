"""Out-of-fold predictions of several runs, brought into one order and held against each other, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagging.contract import File
from tagging.data.labels import encode_labels
from tagging.errors import UserError
from tagging.runs.finished import class_columns
from tagging.runs.stored import read_labels, read_predictions
from tagging.tracking.files import UnusableFile
from tagging.tracking.store import Run, Store


@dataclass(frozen=True)
class OutOfFold:
    """What M runs say of the N curated clips of a data set, sorted by fname.

    `folds` [N] int64, `truth` [N, C] float32 of 0 and 1: the labels the clips came with, before any list of
    corrections. `probabilities` [M, N, C] float32, in the order of the runs.
    """

    classes: tuple[str, ...]
    fnames: tuple[str, ...]
    folds: np.ndarray
    truth: np.ndarray
    probabilities: np.ndarray


def read_out_of_fold(store: Store, runs: Sequence[Run]) -> OutOfFold:
    """Return the out-of-fold probabilities of some runs and the truth.

    Raises UserError, all problems of the tables at once, where the tables of a run are not there or damaged, or hold
    other clips, folds, classes or labels than the first run with readable tables.
    """
    said, unfit = _read(store, runs)
    if unfit:
        raise UserError(*(f"{run.title}: {reason}" for run, reason in unfit))
    return _joined(said)


def read_pool(store: Store, runs: Sequence[Run]) -> tuple[OutOfFold | None, list[tuple[Run, str]]]:
    """Return what those of some runs, the oldest first, say whose tables can be used; None where there are none.

    The others come with the reason of each: the newest run whose tables can be read says which clips, folds, classes
    and labels a run must have.
    """
    said, unfit = _read(store, runs[::-1])
    return _joined(said[::-1]) if said else None, unfit[::-1]


@dataclass(frozen=True)
class _Said:
    """What a run says of its clips, sorted by fname, and their original labels in the same order."""

    run: Run
    table: pd.DataFrame
    labels: list[str]


def _read(store: Store, runs: Sequence[Run]) -> tuple[list[_Said], list[tuple[Run, str]]]:
    """Return what runs say, and the reason for each of which that cannot be used beside the first."""
    said: list[_Said] = []
    unfit: list[tuple[Run, str]] = []
    for run in runs:
        try:
            table = read_predictions(store, run, File.OOF).sort_values("fname", kind="stable").reset_index(drop=True)
            reason = _other_clips(table, said[0]) if said else ""
            if not reason:
                labels = read_labels(store, run)
                reason = _other_labels(labels, table, said[0] if said else None)
        except UnusableFile as error:
            reason = error.problem
        if reason:
            unfit.append((run, reason))
        else:
            said.append(_Said(run, table, labels.tolist()))
    return said, unfit


def _other_clips(table: pd.DataFrame, first: _Said) -> str:
    """Say what a run's table holds that the first run's does not; empty where they have the same rows and columns."""
    known = first.table
    if list(table.columns) != list(known.columns):
        what = "classes"
    elif not table[["fname", "fold"]].equals(known[["fname", "fold"]]):
        what = "clips or folds"
    else:
        return ""
    return f"{File.OOF} has other {what} than {first.run.title}, though its tags say the same"


def _other_labels(labels: pd.Series, table: pd.DataFrame, first: _Said | None) -> str:
    if list(labels.index) != list(table["fname"]):
        return f"{File.PER_CLIP} and {File.OOF} hold different clips; train the run again"
    if encode_labels(labels.tolist(), class_columns(table))[1]:
        return f"{File.PER_CLIP} holds labels that are no classes of {File.OOF}; train the run again"
    if first and labels.tolist() != first.labels:
        return f"other labels than {first.run.title}: the data set's table was changed in between"
    return ""


def _joined(said: Sequence[_Said]) -> OutOfFold:
    first = said[0]
    classes = tuple(class_columns(first.table))
    return OutOfFold(
        classes=classes,
        fnames=tuple(first.table["fname"]),
        folds=first.table["fold"].to_numpy(np.int64),
        truth=encode_labels(first.labels, classes)[0],
        probabilities=np.stack([one.table[list(classes)].to_numpy(np.float32) for one in said]),
    )
