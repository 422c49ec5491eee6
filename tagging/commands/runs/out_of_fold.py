"""Out-of-fold predictions of several runs, brought into one order and held against each other, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagging.commands.runs.files import OOF
from tagging.commands.runs.finished import class_columns
from tagging.data.labels import encode_labels
from tagging.errors import UserError
from tagging.report.wording import count
from tagging.tracking.store import Run, Store

PER_CLIP = "tables/per_clip.parquet"


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


def labels_of(store: Store, run: Run) -> pd.Series:
    """Return the original labels of a run's curated clips, joined by commas, by fname in sorted order."""
    if not store.has_file(run.id, PER_CLIP):
        raise UserError(
            f"{run.name} ({run.id[:8]}) has no {PER_CLIP}, which holds the original labels; "
            f"`python -m tagging predict --run {run.id[:8]}` makes it anew"
        )
    table = store.read_table(run.id, PER_CLIP)
    return table.set_index("fname")["labels"].sort_index()


def other_labels(store: Store, runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """Return those runs whose clips had other labels when they were trained than the newest one's, and say so."""
    *others, newest = runs
    truth = labels_of(store, newest)
    return [
        (run, f"other labels than {newest.name} ({newest.id[:8]}): the data set's table was changed in between")
        for run in others
        if not labels_of(store, run).equals(truth)
    ]


def read_out_of_fold(store: Store, runs: Sequence[Run]) -> OutOfFold:
    """Return the out-of-fold probabilities of some runs and the truth, which comes from the first of them.

    Raises UserError, all problems of the tables at once, where a run lacks its table, holds clips, folds or classes
    other than the first that has one, or probabilities that are no numbers.
    """
    tables = _tables(store, runs)
    classes = tuple(class_columns(tables[0]))
    labels = labels_of(store, runs[0])
    _check_truth(runs[0], labels, tables[0])
    return OutOfFold(
        classes=classes,
        fnames=tuple(tables[0]["fname"]),
        folds=tables[0]["fold"].to_numpy(np.int64),
        truth=encode_labels(labels.tolist(), classes)[0],
        probabilities=np.stack([table[list(classes)].to_numpy(np.float32) for table in tables]),
    )


def _tables(store: Store, runs: Sequence[Run]) -> list[pd.DataFrame]:
    found: list[tuple[Run, pd.DataFrame]] = []
    problems: list[str] = []
    for run in runs:
        try:
            found.append((run, _table(store, run)))
        except UserError as error:
            problems += error.problems
        else:
            problems += _problems(*found[-1], *found[0])
    if problems:
        raise UserError(*problems)
    return [table for _, table in found]


def _table(store: Store, run: Run) -> pd.DataFrame:
    if not store.has_file(run.id, OOF):
        raise UserError(
            f"{run.name} ({run.id[:8]}) has no {OOF} any more; `python -m tagging predict --run {run.id[:8]}` makes it "
            "anew, or give the run the tag ensemble = exclude"
        )
    return store.read_table(run.id, OOF).sort_values("fname", kind="stable").reset_index(drop=True)


def _problems(run: Run, table: pd.DataFrame, first: Run, expected: pd.DataFrame) -> list[str]:
    """Return what is wrong with a run's table, which must hold the rows and columns of the first run's."""
    title = f"{run.name} ({run.id[:8]}): {OOF}"
    if list(table.columns) != list(expected.columns):
        return [f"{title} has other classes than {first.name} ({first.id[:8]}), though its tags say the same"]
    if list(table["fname"]) != list(expected["fname"]) or list(table["fold"]) != list(expected["fold"]):
        return [f"{title} has other clips or folds than {first.name} ({first.id[:8]}), though its tags say the same"]
    scores = table[class_columns(table)].to_numpy()
    broken = ~np.isfinite(scores).all(axis=1)
    if broken.any():
        clip = table["fname"][int(broken.argmax())]
        return [
            f"{title} holds NaN for {count(int(broken.sum()), 'clip')}, the first {clip}; train the run again, or give "
            "it the tag ensemble = exclude"
        ]
    return []


def _check_truth(run: Run, labels: pd.Series, table: pd.DataFrame) -> None:
    if list(labels.index) != list(table["fname"]):
        raise UserError(f"{run.name} ({run.id[:8]}): {PER_CLIP} and {OOF} hold different clips; train the run again")
