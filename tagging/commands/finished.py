"""What the commands ask of runs that are finished. Imports no torch, so that a submission starts fast."""

from __future__ import annotations

import pandas as pd

from tagging.errors import UserError
from tagging.tracking.store import Run, Store


def finished_folds(store: Store, run: Run) -> dict[int, Run]:
    """Return the finished folds of a run; UserError if there are none."""
    folds = {int(child.tags["fold"]): child for child in store.children(run.id) if child.status == "FINISHED"}
    if not folds:
        raise UserError(f"run {run.name} ({run.id}) has no finished fold; train it first")
    return folds


def class_columns(predictions: pd.DataFrame) -> list[str]:
    """Return the classes of a table of predictions, in their order."""
    return [column for column in predictions.columns if column not in ("fname", "fold", "tile")]
