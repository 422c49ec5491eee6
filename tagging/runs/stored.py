"""Reads the files of a run and checks them; a damaged file raises UserError with run, file and reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tagging.config import AnyRecipe, Experiment, flatten
from tagging.config.load import as_experiment, load_stored
from tagging.config.tree import read_yaml, with_new_names
from tagging.contract import LEFT_OUT, File, Kind
from tagging.data.findings import apart
from tagging.errors import UserError
from tagging.progress import warn
from tagging.report.wording import count
from tagging.tracking.files import UnusableFile
from tagging.tracking.store import Run, Store


def read_predictions(store: Store, run: Run, path: str, tiles: bool = False) -> pd.DataFrame:
    """Return a table of predictions of a run: fname, fold, with `tiles` the number of the tile, and a column a class.

    Raises UserError where it is damaged: not a table of a row a clip or tile, or of values that are no probabilities.
    """
    with store.reading(run.id, path, _made_anew(run)) as local:
        table = _table(local, ("fname", "tile") if tiles else ("fname",))
        classes = class_columns(table)
        values = table[classes].to_numpy()
        if not classes or values.dtype.kind != "f":
            raise ValueError("it holds no probabilities")
        wrong = ~((values >= 0) & (values <= 1)).all(axis=1)  # NaN is neither
        if wrong.any():
            first = table["fname"].iloc[int(wrong.argmax())]
            raise ValueError(f"values of {count(int(wrong.sum()), 'row')} are no probabilities, first those of {first}")
    return table


def read_folds(store: Store, run: Run) -> pd.DataFrame:
    """Return fname and fold, 0 to K - 1, of a run's curated clips; UserError where the table is damaged."""
    with store.reading(run.id, File.FOLDS) as local:
        table = _table(local)
        if set(table["fold"]) != set(range(table["fold"].nunique())):
            raise ValueError("its folds are not numbered from 0 on")
    return table


def read_labels(store: Store, run: Run) -> pd.Series:
    """Return the original labels of a run's curated clips, joined by commas, by fname in sorted order.

    Raises UserError where the table is damaged.
    """
    with store.reading(run.id, File.PER_CLIP, _made_anew(run)) as local:
        table = _table(local)
        if not all(isinstance(field, str) for field in table["labels"]):
            raise ValueError("its labels are not all text")
    return table.set_index("fname")["labels"].sort_index()


def read_members(store: Store, run: Run, path: str, numbers: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON of a run that is made of others: `members`, each with `run`, `name` and some `numbers` above 0.

    Raises UserError where it is damaged.
    """
    with store.reading(run.id, path) as local:
        stored = json.loads(local.read_bytes())
        if not isinstance(stored, dict) or not isinstance(stored.get("members"), list) or not stored["members"]:
            raise ValueError("it lists no members")
        for member in stored["members"]:
            if not isinstance(member, dict) or not all(isinstance(member.get(key), str) for key in ("run", "name")):
                raise ValueError("a member has no run or name")
            for key in numbers:
                value = member.get(key)
                if not isinstance(value, int | float) or not 0 < value < np.inf:
                    raise ValueError(f"{key} of the member {member['name']} is {value!r}, not a number above 0")
    return stored


def left_out(store: Store, run: Run) -> list[str]:
    """Return a run's warnings about clips that were left out, a line a clip; warns where the list is damaged."""
    if not store.has_file(run.id, File.WARNINGS):
        return []
    try:
        with store.reading(run.id, File.WARNINGS) as local:
            lines = local.read_text("utf-8").splitlines()
    except UnusableFile as error:
        warn(f"clips that were left out are not named: {error}")
        return []
    return [line for line in lines if line.startswith(LEFT_OUT)]


def stored_recipe(store: Store, run: Run, overrides: Sequence[str] = (), data: Path | None = None) -> AnyRecipe:
    """Return the config that a run was trained with, its `config.yaml`; `overrides` and `data` as `load` takes them.

    Raises UserError where the file is damaged: not what `load` reads, or without fields that the run's params have.
    """
    with store.reading(run.id, File.CONFIG) as local:
        problems: tuple[str, ...] = ()
        try:
            recipe = load_stored(local)
        except UserError as error:
            problems = error.problems
        if problems:
            more = len(problems) - 1
            raise ValueError(problems[0] + (f", and {count(more, 'more problem')}" if more else ""))
        there = with_new_names(read_yaml(local)[0])
        lacking = [path for path in flatten(recipe) if path in run.params and not _holds(there, path)]
        if lacking:
            raise ValueError(f"it lacks {count(len(lacking), 'field')} that the run's params have, first {lacking[0]}")
    return load_stored(local, overrides, data) if overrides or data else recipe


def stored_experiment(store: Store, run: Run, overrides: Sequence[str] = (), data: Path | None = None) -> Experiment:
    """Return the experiment of a run that predicts from sound, as `stored_recipe` does; UserError for a stacker."""
    return as_experiment(stored_recipe(store, run, overrides, data))


def other_classes(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Say in brackets how the classes of another run differ from ours."""
    return f"({apart(theirs, ours) or 'in another order'})"


def class_columns(predictions: pd.DataFrame) -> list[str]:
    """Return the classes of a table of predictions, in their order."""
    return [column for column in predictions.columns if column not in ("fname", "fold", "tile")]


def prediction_table(
    fnames: Iterable[str], probabilities: np.ndarray, classes: Iterable[str], **columns: int | np.ndarray
) -> pd.DataFrame:
    """Return fname, further columns and one float32 column a class, of probabilities [n, C]."""
    head = pd.DataFrame({"fname": list(fnames), **columns})
    return pd.concat([head, pd.DataFrame(probabilities, columns=list(classes))], axis=1)


def _table(path: Path, keys: Sequence[str] = ("fname",)) -> pd.DataFrame:
    """Return a Parquet file; ValueError where it is empty, repeats a key or has a row without a whole `fold`."""
    with path.open("rb") as file:
        table = pd.read_parquet(file)
    lacking = [name for name in (*keys, "fold") if name not in table.columns]
    if lacking:
        raise ValueError(f"it has no column {lacking[0]}")
    if table.empty:
        raise ValueError("it has no rows")
    if not all(isinstance(fname, str) for fname in table["fname"]):
        raise ValueError("its column fname is not all text")
    if table["fold"].dtype.kind not in "iu" or table["fold"].min() < 0:
        raise ValueError("its column fold is not all whole numbers of 0 or more")
    repeated = table.duplicated(list(keys))
    if repeated.any():
        raise ValueError(f"{table['fname'].iloc[int(repeated.argmax())]} stands in it twice")
    return table


def _holds(tree: Any, path: str) -> bool:
    """Tell whether a tree has something at a dotted path."""
    for name in path.split("."):
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _made_anew(run: Run) -> str:
    """Say how a run gets its predictions and tables back."""
    of = run.parent_id if run.kind == Kind.FOLD and run.parent_id else run.id
    return f"`python -m tagging predict --run {of[:8]}` computes it again"
