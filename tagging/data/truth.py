"""The tables that predictions are scored by: true labels of clips that were predicted, and a submission."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.data.findings import Findings, limited
from tagging.data.labels import encode_labels, say_unknown
from tagging.data.tables import Table, listed_twice, read_table
from tagging.errors import UserError

ALL = "all"  # the scores of all clips go by it, as report.evaluation has it
MOST_GROUPS = 20  # each is a metric of the run, and a column on the terminal
USAGE = "usage"  # the column by which FSDKaggle2019 parts its test clips into Public and Private


@dataclass(frozen=True)
class Truth:
    """The true labels of N clips, and the groups that a column of the table parts them into.

    `labels` [N, C] float32, 0 or 1, at least one a clip, in the order of `classes` [C]; `groups` maps a lower-cased
    value of the column, in their alphabetical order, to its mask [N] bool; none is `all`. `digest` stands for all of
    it: the first 12 hex digits of a sha256.
    """

    fnames: tuple[str, ...]
    classes: tuple[str, ...]
    labels: np.ndarray
    groups: dict[str, np.ndarray]
    digest: str


def read_truth(
    path: Path, classes: Sequence[str], predicted: Mapping[str, Sequence[str]], group: str, findings: Findings
) -> Truth:
    """Read a table with the columns fname and labels, and `group` where that is not empty.

    Without `group`, a column `usage` parts the clips where there is one. `predicted` maps what predicted, as a
    message names it, to the clips that it predicted, which may be more than the table's.

    Raises UserError with the problems of `findings` and all of the table at once: a file or column that is missing, no
    clip, a clip listed twice, a label that is no class, no label, no group, and a clip that was not predicted.
    """
    table = _read(path, ("fname", "labels", *([group] if group else [])), findings)
    column = group or (USAGE if USAGE in table.columns else "")
    fnames = table.columns["fname"]
    labels, unknown = encode_labels(table.columns["labels"], classes)

    def say(found: tuple[int, str]) -> str:
        row, label = found
        allowed = f"labels must be among the {len(classes)} classes that are predicted"
        return f"{table.where(row)}: {say_unknown(label, table.columns['labels'][row], classes, allowed)}"

    findings.problems += limited(unknown, say, f"labels to mend in {table.path.name}")
    _check_clips(table, predicted, findings)
    groups = _groups(table, column, findings) if column else {}
    findings.stop_if_any()
    rows = sorted(zip(*(table.columns[name] for name in ("fname", "labels", column) if name), strict=True))
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]
    return Truth(fnames, tuple(classes), labels, groups, digest)


def check_is_table(path: Path) -> None:
    """Raise UserError where a path is no file."""
    if not path.is_file():
        what = "is a folder, not a table" if path.is_dir() else "there is no such table"
        raise UserError(f"{path}: {what}; name a CSV file with the columns fname,labels")


def _read(path: Path, required: Sequence[str], findings: Findings) -> Table:
    try:
        check_is_table(path)
        return read_table(path, required)
    except UserError as error:
        raise UserError(*findings.problems, *error.problems) from None


def _check_clips(table: Table, predicted: Mapping[str, Sequence[str]], findings: Findings) -> None:
    fnames = table.columns["fname"]
    if not fnames:
        findings.problems.append(f"{table.path}: the table lists no clip; add a line for each clip")
    findings.problems += listed_twice(table, "leave one line a clip, its labels joined by commas")
    for title, known in predicted.items():
        there = set(known)
        absent = [row for row, fname in enumerate(fnames) if fname not in there]

        def say_absent(row: int, title: str = title) -> str:
            return f"{table.where(row)}: {title} has no prediction of {fnames[row]!r}; remove the line"

        findings.problems += limited(absent, say_absent, f"clips that {title} has not predicted")


def _groups(table: Table, column: str, findings: Findings) -> dict[str, np.ndarray]:
    values = [value.lower() for value in table.columns[column]]
    empty = [row for row, value in enumerate(values) if not value]

    def say(row: int) -> str:
        return f"{table.where(row)}: the column {column!r} is empty; fill it in, since it parts the clips into groups"

    findings.problems += limited(empty, say, f"empty values in column {column!r}")
    names = sorted(set(values))
    if len(names) > MOST_GROUPS:
        findings.problems.append(
            f"{table.path}: the column {column!r} parts the clips into {len(names):,} groups, such as {names[0]!r}; at "
            f"most {MOST_GROUPS} are scored: name a column of few values with --group"
        )
    if ALL in values:
        findings.problems.append(
            f"{table.where(values.index(ALL))}: the column {column!r} has a group {ALL!r}, which stands for all clips; "
            "call it something else"
        )
    return {name: np.array([value == name for value in values], bool) for name in names}


def read_submission(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Read a CSV table with the column fname and one column a class.

    Returns fnames [N], classes [C] and scores [N, C] float64. Raises UserError, all problems at once, for a file that
    is not there or is no such table, a clip listed twice, and scores that are no finite numbers.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such submission; name a CSV file with the column fname and one a class")
    table = read_table(path, ("fname",))
    fnames = table.columns["fname"]
    classes = tuple(name for name in table.columns if name != "fname")
    if not classes or not fnames:
        raise UserError(f"{path}: a submission has one column a class beside fname, and one line a clip")
    problems = listed_twice(table, "leave one line a clip")
    scores = np.stack([_scores(table, name, problems) for name in classes], axis=1)
    if problems:
        raise UserError(*problems)
    return fnames, classes, scores


def _scores(table: Table, column: str, problems: list[str]) -> np.ndarray:
    numbers = np.array([_number(text) for text in table.columns[column]])

    def say(row: int) -> str:
        return f"{table.where(row)}: {column} is {table.columns[column][row]!r}; it must be a finite number"

    problems += limited(np.flatnonzero(~np.isfinite(numbers)).tolist(), say, f"such scores of {column}")
    return numbers


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
