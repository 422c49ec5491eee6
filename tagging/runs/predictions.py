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
from tagging.runs.stored import class_columns, read_labels, read_predictions
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


def has_split(store: Store, run: Run, half: str, folds: Sequence[int]) -> bool:
    """Tell whether a run holds the predictions of a half by all of these folds."""
    return {split_path(half, fold) for fold in folds} <= set(store.list_files(run.id, split_folder(half)))


def blended_test(store: Store, run: Run) -> pd.DataFrame:
    """Return what a run says of the test clips: the geometric mean over the folds that it predicts with.

    The table has fname and one float32 column a class. Raises UserError where one of these folds has not predicted
    them, and as `finished_folds` does.
    """
    found = blended_split(store, run, "test", fold_numbers(store, run))
    if found is None:
        raise UserError(
            f"run {run.name} ({run.id}) has no test predictions; `python -m tagging submit --run {run.id[:8]}` makes "
            f"them where {run.dataset} has test clips"
        )
    return found


def blended_split(store: Store, run: Run, half: str, folds: Sequence[int]) -> pd.DataFrame | None:
    """Return the geometric mean over what these folds of a run say of `test` or `noisy` clips.

    The table has fname and one float32 column a class. None where one of them has not predicted the half.
    Raises UserError where a file is damaged, or of other clips.
    """
    if not has_split(store, run, half, folds):
        return None
    tables = [read_predictions(store, run, split_path(half, fold)) for fold in folds]
    first = tables[0]
    for fold, table in zip(folds, tables, strict=True):
        if list(table.columns) != list(first.columns) or list(table["fname"]) != list(first["fname"]):
            title = f"{run.title}: {split_path(half, fold)}"
            raise UserError(f"{title} has other clips or classes than fold {folds[0]}; train the run again")
    classes = class_columns(first)
    blend = pd.DataFrame(geometric_mean([table[classes].to_numpy() for table in tables]), columns=classes)
    blend.insert(0, "fname", first["fname"])
    return blend


def blend_split(store: Store, ensemble: Ensemble, half: str, folds: Sequence[int]) -> dict[int, pd.DataFrame]:
    """Return the ensemble's predictions of a half by fold, each the weighted mean of its members' for that fold.

    Rows stand in the order of the first member's. Raises UserError where members know other clips.
    """
    return {fold: _blend(store, ensemble, half, fold) for fold in folds}


def _blend(store: Store, ensemble: Ensemble, half: str, fold: int) -> pd.DataFrame:
    path, runs = split_path(half, fold), ensemble.runs
    tables = [read_predictions(store, run, path) for run in runs]
    fnames, classes = tables[0]["fname"], class_columns(tables[0])
    parts, problems = [], []
    for run, table in zip(runs, tables, strict=True):
        part = table.set_index("fname").reindex(index=fnames, columns=classes).to_numpy(np.float32)
        parts.append(part)
        if len(table) != len(fnames) or np.isnan(part).any():
            problems.append(f"{run.title}: {path} has other clips or classes than {runs[0].title}")
    if problems:
        raise UserError(*problems, "was the half changed between their trainings? Train them again, or choose others")
    return pd.DataFrame({"fname": fnames, "fold": fold}).join(pd.DataFrame(ensemble.blend(parts), columns=classes))
