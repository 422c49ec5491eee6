"""What the commands ask of runs that are finished. Imports no torch, so that a submission starts fast."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pandas as pd

from tagging.commands.runs.files import FOLDS, half_folder, half_path
from tagging.data.findings import apart
from tagging.errors import UserError
from tagging.inference.blend import check_finite, geometric_mean
from tagging.tracking.launch import adopt_launch, link_launch, mark_launch
from tagging.tracking.run import NAME
from tagging.tracking.store import Run, Store


def open_store() -> tuple[Store, str | None]:
    """Open the store; under `mlflow run`, mark the run that MLflow opened and return its id."""
    launch = adopt_launch(os.environ)
    store = Store.connect()
    if launch:
        mark_launch(store, launch)
    return store, launch


def open_run(run_text: str) -> tuple[Store, Run]:
    """Open the store and find the run that a user means; UserError if there is none."""
    store, launch = open_store()
    run = store.resolve(run_text)
    if launch:
        link_launch(store, launch, run)
    return store, run


def meant_run(store: Store, text: str, kinds: Sequence[str], dataset: str) -> Run:
    """Return the run that a field names, as `Store.resolve` does, but a name means one of `dataset` before others."""
    named = store.search({NAME: text}, dataset)
    at_home = [run for run in named if run.kind in kinds and run.status == "FINISHED"]
    return at_home[0] if at_home else store.resolve(text, kinds)


def named_run(store: Store, text: str, kinds: Sequence[str], dataset: str) -> Run:
    """Return the finished run that a field of an experiment names, by `meant_run`.

    Raises UserError where there is no such run of these kinds, it is a fold, or it is not finished.
    """
    run = meant_run(store, text, kinds, dataset)
    if run.kind == "fold" and run.parent_id:
        raise UserError(f"{run.name} ({run.id[:8]}) is a fold; give its run {run.parent_id[:8]}")
    if run.status != "FINISHED":
        raise UserError(
            f"{run.name} ({run.id[:8]}) is {run.status}, not FINISHED; wait for its end, or go on with it by the "
            "command that started it"
        )
    return run


def other_classes(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Say in brackets how the classes of another run differ from ours."""
    return f"({apart(theirs, ours) or 'in another order'})"


def finished_folds(store: Store, run: Run) -> dict[int, Run]:
    """Return the finished folds of a run; UserError if there are none."""
    folds = {int(child.tags["fold"]): child for child in store.children(run.id) if child.status == "FINISHED"}
    if not folds:
        raise UserError(f"run {run.name} ({run.id}) has no finished fold; train it first")
    return folds


def fold_numbers(store: Store, run: Run) -> list[int]:
    """Return the numbers of the folds that a run predicts with: its finished ones, or its members' for an ensemble."""
    if run.kind == "ensemble":
        return sorted(store.read_table(run.id, FOLDS)["fold"].unique().tolist())
    return sorted(finished_folds(store, run))


def test_probabilities(store: Store, run: Run) -> tuple[pd.DataFrame, int]:
    """Return what a run says of the test clips, and how many folds that is the geometric mean of.

    The table has fname and one float32 column a class. Raises UserError where the run has no test predictions.
    """
    found = blended_half(store, run, "test")
    if found is None:
        raise UserError(
            f"run {run.name} ({run.id}) has no test predictions; `python -m tagging submit --run {run.id[:8]}` makes "
            f"them where {run.dataset} has test clips"
        )
    return found


def blended_half(store: Store, run: Run, half: str, fold: int | None = None) -> tuple[pd.DataFrame, int] | None:
    """Return the geometric mean over a run's fold files of `test` or `noisy` clips, or `fold` alone, and their number.

    The table has fname and one float32 column a class. None where there is no such file; UserError where one holds NaN.
    """
    files = store.list_files(run.id, half_folder(half))
    files = [path for path in files if fold is None or path == half_path(half, fold)]
    tables = [store.read_table(run.id, path) for path in files]
    if not tables:
        return None
    classes = class_columns(tables[0])
    parts = [table[classes].to_numpy() for table in tables]
    for path, part in zip(files, parts, strict=True):
        advice = f"`python -m tagging predict --run {run.id[:8]}` makes it anew"
        check_finite(part, f"{run.name} ({run.id[:8]}): {path}", advice)
    blend = pd.DataFrame(geometric_mean(parts), columns=classes)
    blend.insert(0, "fname", tables[0]["fname"])
    return blend, len(tables)


def class_columns(predictions: pd.DataFrame) -> list[str]:
    """Return the classes of a table of predictions, in their order."""
    return [column for column in predictions.columns if column not in ("fname", "fold", "tile")]
