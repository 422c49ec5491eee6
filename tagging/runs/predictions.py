"""What runs predicted: out-of-fold tables of several runs with the truth, and the splits `test` and `noisy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagging.contract import File, split_folder, split_path
from tagging.data.labels import encode_labels
from tagging.errors import UserError
from tagging.inference.blend import geometric_mean
from tagging.runs.finished import fold_numbers
from tagging.runs.members import Ensemble
from tagging.runs.stored import class_columns, prediction_table, read_labels, read_predictions
from tagging.tracking.files import UnusableFile
from tagging.tracking.store import Run, Store


@dataclass(frozen=True)
class OutOfFold:
    """The out-of-fold probabilities of M runs for the N curated clips of a data set, sorted by fname.

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
    tables, unfit = _read(store, runs)
    if unfit:
        raise UserError(*(f"{run.title}: {reason}" for run, reason in unfit))
    return _joined(tables)


def read_pool(store: Store, runs: Sequence[Run]) -> tuple[OutOfFold | None, list[tuple[Run, str]]]:
    """Return the probabilities of those of some runs, the oldest first, whose tables can be used; None without any.

    The other runs are returned with the reason of each: a run must have the clips, folds, classes and labels of the
    newest run with readable tables.
    """
    tables, unfit = _read(store, runs[::-1])
    return _joined(tables[::-1]) if tables else None, unfit[::-1]


@dataclass(frozen=True)
class _Table:
    """A run's out-of-fold table, sorted by fname, and the clips' original labels in the same order."""

    run: Run
    table: pd.DataFrame
    labels: list[str]


def _read(store: Store, runs: Sequence[Run]) -> tuple[list[_Table], list[tuple[Run, str]]]:
    """Return the tables of runs, and each run that cannot be used beside the first with its reason."""
    tables: list[_Table] = []
    unfit: list[tuple[Run, str]] = []
    for run in runs:
        try:
            tables.append(_read_one(store, run, tables[0] if tables else None))
        except UnusableFile as error:
            unfit.append((run, error.problem))
    return tables, unfit


def _read_one(store: Store, run: Run, first: _Table | None) -> _Table:
    """Return the table of a run; UnusableFile where it is damaged or does not match the first run's."""
    table = read_predictions(store, run, File.OOF).sort_values("fname", kind="stable").reset_index(drop=True)
    if first:
        other = "" if table[["fname", "fold"]].equals(first.table[["fname", "fold"]]) else "clips or folds"
        other = other if list(table.columns) == list(first.table.columns) else "classes"
        if other:
            problem = f"{File.OOF} has other {other} than {first.run.title}, though its tags say the same"
            raise UnusableFile(run.title, problem)
    labels = read_labels(store, run)
    if list(labels.index) != list(table["fname"]):
        problem = f"{File.PER_CLIP} and {File.OOF} hold different clips; train the run again"
    elif encode_labels(labels.tolist(), class_columns(table))[1]:
        problem = f"{File.PER_CLIP} holds labels that are no classes of {File.OOF}; train the run again"
    elif first and labels.tolist() != first.labels:
        problem = f"other labels than {first.run.title}: the data set's table was changed in between"
    else:
        return _Table(run, table, labels.tolist())
    raise UnusableFile(run.title, problem)


def _joined(tables: Sequence[_Table]) -> OutOfFold:
    first = tables[0]
    classes = tuple(class_columns(first.table))
    return OutOfFold(
        classes=classes,
        fnames=tuple(first.table["fname"]),
        folds=first.table["fold"].to_numpy(np.int64),
        truth=encode_labels(first.labels, classes)[0],
        probabilities=np.stack([one.table[list(classes)].to_numpy(np.float32) for one in tables]),
    )


def has_split(store: Store, run: Run, split: str, folds: Sequence[int]) -> bool:
    """Tell whether a run holds the predictions of a split, `test` or `noisy`, by all of these folds."""
    return {split_path(split, fold) for fold in folds} <= set(store.list_files(run.id, split_folder(split)))


def count_test(store: Store, run: Run) -> int:
    """Return the number of test clips that a run has predicted."""
    tables = store.list_files(run.id, split_folder("test"))
    return len(read_predictions(store, run, tables[0])) if tables else 0


def blended_test(store: Store, run: Run) -> pd.DataFrame:
    """Return a run's probabilities for the test clips: the geometric mean over the folds that it predicts with.

    The table has fname and one float32 column a class. Raises UserError where one of these folds has not predicted
    them, and as `finished_folds` does.
    """
    found = mean_over_folds(store, run, "test", fold_numbers(store, run))
    if found is None:
        raise UserError(
            f"run {run.name} ({run.id}) has no test predictions; `python -m tagging submit --run {run.id[:8]}` makes "
            f"them where {run.dataset} has test clips"
        )
    return found


def mean_over_folds(store: Store, run: Run, split: str, folds: Sequence[int]) -> pd.DataFrame | None:
    """Return the geometric mean over these folds' probabilities for a split, `test` or `noisy`.

    The table has fname and one float32 column a class. None where one of them has not predicted the split.
    Raises UserError where a file is damaged, or of other clips.
    """
    if not has_split(store, run, split, folds):
        return None
    tables = [read_predictions(store, run, split_path(split, fold)) for fold in folds]
    first = tables[0]
    for fold, table in zip(folds, tables, strict=True):
        if list(table.columns) != list(first.columns) or list(table["fname"]) != list(first["fname"]):
            title = f"{run.title}: {split_path(split, fold)}"
            raise UserError(f"{title} has other clips or classes than fold {folds[0]}; train the run again")
    classes = class_columns(first)
    return prediction_table(first["fname"], geometric_mean([table[classes].to_numpy() for table in tables]), classes)


def blend_members(store: Store, ensemble: Ensemble, split: str, fold: int) -> pd.DataFrame:
    """Return the weighted mean of the members' probabilities by one fold for a split, `test` or `noisy`.

    The table has fname, fold and one float32 column a class, in the order of the first member. Raises UserError where
    members predicted other clips.
    """
    path, runs = split_path(split, fold), ensemble.runs
    tables = [read_predictions(store, run, path) for run in runs]
    fnames, classes = tables[0]["fname"], class_columns(tables[0])
    parts, problems = [], []
    for run, table in zip(runs, tables, strict=True):
        part = table.set_index("fname").reindex(index=fnames, columns=classes).to_numpy(np.float32)
        parts.append(part)
        if len(table) != len(fnames) or np.isnan(part).any():
            problems.append(f"{run.title}: {path} has other clips or classes than {runs[0].title}")
    if problems:
        raise UserError(*problems, "was the split changed between their trainings? Train them again, or choose others")
    return prediction_table(fnames, ensemble.blend(parts), classes, fold=fold)
