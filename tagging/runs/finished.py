"""What the commands ask of runs that are finished. Imports no torch, so that a submission starts fast."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pandas as pd

from tagging.contract import Kind, Tag
from tagging.data.findings import apart
from tagging.errors import UserError
from tagging.tracking.launch import adopt_launch, link_launch, mark_launch
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
    named = store.search({Tag.NAME: text}, dataset)
    at_home = [run for run in named if run.kind in kinds and run.status == "FINISHED"]
    return at_home[0] if at_home else store.resolve(text, kinds)


def named_run(store: Store, text: str, kinds: Sequence[str], dataset: str) -> Run:
    """Return the finished run that a field of an experiment names, by `meant_run`.

    Raises UserError where there is no such run of these kinds, it is a fold, or it is not finished.
    """
    run = meant_run(store, text, kinds, dataset)
    if run.kind == Kind.FOLD and run.parent_id:
        raise UserError(f"{run.title} is a fold; give its run {run.parent_id[:8]}")
    if run.status != "FINISHED":
        raise UserError(
            f"{run.title} is {run.status}, not FINISHED; wait for its end, or go on with it by the "
            "command that started it"
        )
    return run


def other_classes(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Say in brackets how the classes of another run differ from ours."""
    return f"({apart(theirs, ours) or 'in another order'})"


def class_columns(predictions: pd.DataFrame) -> list[str]:
    """Return the classes of a table of predictions, in their order."""
    return [column for column in predictions.columns if column not in ("fname", "fold", "tile")]
