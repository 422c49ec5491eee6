"""Assigns each curated clip to the fold that holds it out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, assert_never

import numpy as np

from tagging.data.dataset import Clips
from tagging.data.findings import limited, quoted
from tagging.errors import UserError

FoldKind = Literal["random", "stratified", "column"]


def assign_folds(kind: FoldKind, count: int, seed: int, clips: Clips, column: str, group: str) -> np.ndarray:
    """Return the fold of each clip, [N] int64 in 0..k-1.

    "random": scikit-learn's shuffled KFold in row order; "stratified": iterative stratification over the
    labels; both make `count` folds from `seed`. "column": the values of the table's `column`, sorted (as
    numbers where all are whole numbers), are the folds, however many there are. With `group` a column's
    name, clips that share its value stay in one fold; else it is "".

    Raises UserError for a missing column, an empty value, fewer clips or groups than folds, an empty fold,
    and groups that cross the folds of a column.
    """
    groups = _groups(clips, group)
    units = int(groups.max(initial=-1)) + 1
    match kind:
        case "random":
            _check_enough(units, count, group)
            return _random(units, count, seed)[groups]
        case "stratified":
            _check_enough(units, count, group)
            unions = np.zeros((units, clips.labels.shape[1]), np.int64)  # the labels that occur in each group
            np.maximum.at(unions, groups, (clips.labels > 0).astype(np.int64))
            return _stratified(unions, count, seed)[groups]
        case "column":
            folds = _from_column(clips, column)
            _check_uncrossed(clips, folds, column, group)
            return folds
        case _:
            assert_never(kind)


def absent_classes(folds: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Warn of each class that has no clip in some fold.

    `folds` [N] int64, `labels` [N, C] as trained on.
    """
    count = int(folds.max(initial=-1)) + 1
    present = np.stack([(labels[folds == fold] > 0).any(axis=0) for fold in range(count)])
    warnings = []
    for name, row in zip(classes, present.T, strict=True):
        absent = [str(fold) for fold in np.flatnonzero(~row)]
        if len(absent) == count:
            warnings.append(f"class {name!r} has no curated clip")
        elif absent:
            warnings.append(f"class {name!r} has no clip in fold {', '.join(absent)}")
    return warnings


def uneven(folds: np.ndarray, clips: Clips, group: str) -> list[str]:
    """Warn of a fold ([N] int64) that holds out far more clips than its share, and name the group that makes it so."""
    sizes = np.bincount(folds)
    largest = int(sizes.argmax())
    size, share = int(sizes[largest]), sizes[largest] / max(len(folds), 1)
    if share * len(sizes) <= 1.5:  # of an equal share
        return []
    text = f"fold {largest} of {len(sizes)} holds out {size} of {len(folds)} clips ({share:.0%})"
    if group:
        values, counts = np.unique(np.array(clips.columns[group])[folds == largest], return_counts=True)
        most = int(counts.argmax())
        text += f", {counts[most]} of them of one group, {group} {str(values[most])!r}"
    return [f"{text}; the CV is mostly its score, by the network that learned from the fewest clips"]


def _random(units: int, count: int, seed: int) -> np.ndarray:
    """Cut as scikit-learn's KFold(count, shuffle=True, random_state=seed) does, whose import takes a second."""
    order = np.arange(units)
    np.random.RandomState(seed).shuffle(order)  # the generator that scikit-learn draws from
    folds = np.empty(units, np.int64)
    folds[order] = np.sort(np.arange(units) % count)
    return folds


def _stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    if labels.shape[1] == 1:
        labels = np.pad(labels, ((0, 0), (0, 1)))  # the library takes one column for a binary problem
    folds = np.empty(len(labels), np.int64)
    splits = MultilabelStratifiedKFold(n_splits=count, shuffle=True, random_state=seed).split(labels, labels)
    for fold, (_, held_out) in enumerate(splits):
        folds[held_out] = fold
    empty = sorted(set(range(count)) - set(folds.tolist()))
    if empty:
        raise UserError(
            f"folds.kind = stratified leaves fold {', '.join(map(str, empty))} of {count} without a clip; "
            "use fewer folds (folds.count) or folds.kind = random"
        )
    return folds


def _from_column(clips: Clips, column: str) -> np.ndarray:
    texts = _values(clips, column, "folds.column")
    whole = all(re.fullmatch(r"[+-]?[0-9]+", text) for text in texts)
    values: list[int] | list[str] = [int(text) for text in texts] if whole else list(texts)
    distinct, folds = np.unique(values, return_inverse=True)
    if len(distinct) < 2:
        values_text = quoted(str(value) for value in distinct) or "no value"
        raise UserError(f"{clips.table}: column {column!r} holds {values_text} alone; at least two folds are needed")
    return folds.astype(np.int64)


def _groups(clips: Clips, group: str) -> np.ndarray:
    """Number the groups in the order in which they first come; without groups each clip is its own."""
    if not group:
        return np.arange(len(clips))
    number: dict[str, int] = {}
    values = _values(clips, group, "folds.group")
    return np.array([number.setdefault(value, len(number)) for value in values], np.int64)


def _values(clips: Clips, column: str, setting: str) -> tuple[str, ...]:
    if column not in clips.columns:
        there = quoted(clips.columns) if clips.columns else "none besides fname and labels"
        raise UserError(f"{clips.table}, line 1: no column {column!r} ({setting}); further columns: {there}")
    values = clips.columns[column]
    empty = [row for row, value in enumerate(values) if not value]

    def say(row: int) -> str:
        return f"{clips.where(row)}: the column {column!r} is empty; fill it in ({setting} reads it)"

    if empty:
        raise UserError(*limited(empty, say, f"empty values in column {column!r}"))
    return values


def _check_enough(units: int, count: int, group: str) -> None:
    if units < count:
        what = f"groups (folds.group = {group})" if group else "clips"
        raise UserError(f"there are {units} {what} for {count} folds; add clips, or set folds.count to at most {units}")


def _check_uncrossed(clips: Clips, folds: np.ndarray, column: str, group: str) -> None:
    if not group:
        return
    texts_of: dict[str, dict[int, str]] = {}
    for value, fold, text in zip(clips.columns[group], folds.tolist(), clips.columns[column], strict=True):
        texts_of.setdefault(value, {})[fold] = text
    crossing = [value for value, texts in texts_of.items() if len(texts) > 1]

    def say(value: str) -> str:
        where = ", ".join(text for _, text in sorted(texts_of[value].items()))
        return f"{clips.table}: {group} {value!r} crosses folds ({column} {where}); put its clips into one fold"

    if crossing:
        raise UserError(*limited(crossing, say, "groups that cross folds"))
