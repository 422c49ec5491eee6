"""The test and noisy halves of a run's predictions, a table a fold; those of an ensemble out of its members'."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tagging.commands.runs.files import half_folder, half_path
from tagging.commands.runs.finished import class_columns
from tagging.commands.runs.members import Ensemble
from tagging.errors import UserError
from tagging.tracking.store import Run, Store


def has_half(store: Store, run: Run, half: str, folds: Sequence[int]) -> bool:
    """Tell whether a run holds the predictions of a half by all of these folds."""
    return {half_path(half, fold) for fold in folds} <= set(store.list_files(run.id, half_folder(half)))


def blend_half(store: Store, ensemble: Ensemble, half: str, folds: Sequence[int]) -> dict[int, pd.DataFrame]:
    """Return the ensemble's predictions of a half by fold, each the weighted mean of its members' for that fold.

    Rows stand in the order of the first member's. Raises UserError where members know other clips.
    """
    return {fold: _blend(store, ensemble, half, fold) for fold in folds}


def _blend(store: Store, ensemble: Ensemble, half: str, fold: int) -> pd.DataFrame:
    path, runs = half_path(half, fold), ensemble.runs
    tables = [store.read_table(run.id, path) for run in runs]
    fnames, classes = tables[0]["fname"], class_columns(tables[0])
    parts, problems = [], []
    for run, table in zip(runs, tables, strict=True):
        part = table.set_index("fname").reindex(index=fnames, columns=classes).to_numpy(np.float32)
        parts.append(part)
        if len(table) != len(fnames) or not np.isfinite(part).all():
            title = f"{run.name} ({run.id[:8]}): {path}"
            problems.append(f"{title} holds NaN, or other clips than that of {runs[0].name} ({runs[0].id[:8]})")
    if problems:
        raise UserError(*problems, "was the half changed between their trainings? Train them again, or choose others")
    return pd.DataFrame({"fname": fnames, "fold": fold}).join(pd.DataFrame(ensemble.blend(parts), columns=classes))
