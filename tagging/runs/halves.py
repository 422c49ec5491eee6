"""The test and noisy halves of a run's predictions, a table a fold; those of an ensemble out of its members'."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tagging.contract import split_folder, split_path
from tagging.errors import UserError
from tagging.inference.blend import geometric_mean
from tagging.runs.finished import class_columns
from tagging.runs.folds import fold_numbers
from tagging.runs.members import Ensemble
from tagging.runs.stored import read_predictions
from tagging.tracking.store import Run, Store


def has_half(store: Store, run: Run, half: str, folds: Sequence[int]) -> bool:
    """Tell whether a run holds the predictions of a half by all of these folds."""
    return {split_path(half, fold) for fold in folds} <= set(store.list_files(run.id, split_folder(half)))


def test_probabilities(store: Store, run: Run) -> pd.DataFrame:
    """Return what a run says of the test clips: the geometric mean over the folds that it predicts with.

    The table has fname and one float32 column a class. Raises UserError where one of these folds has not predicted
    them, and as `finished_folds` does.
    """
    found = blended_half(store, run, "test", fold_numbers(store, run))
    if found is None:
        raise UserError(
            f"run {run.name} ({run.id}) has no test predictions; `python -m tagging submit --run {run.id[:8]}` makes "
            f"them where {run.dataset} has test clips"
        )
    return found


def blended_half(store: Store, run: Run, half: str, folds: Sequence[int]) -> pd.DataFrame | None:
    """Return the geometric mean over what these folds of a run say of `test` or `noisy` clips.

    The table has fname and one float32 column a class. None where one of them has not predicted the half.
    Raises UserError where a file is damaged, or of other clips.
    """
    if not has_half(store, run, half, folds):
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


def blend_half(store: Store, ensemble: Ensemble, half: str, folds: Sequence[int]) -> dict[int, pd.DataFrame]:
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
