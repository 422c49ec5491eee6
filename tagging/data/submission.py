"""A submission: one row a clip, one column of scores a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tagging.data.findings import limited
from tagging.data.tables import Table, listed_twice, read_table
from tagging.errors import UserError


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
    scores = np.stack([_numbers(table, name, problems) for name in classes], axis=1)
    if problems:
        raise UserError(*problems)
    return fnames, classes, scores


def _numbers(table: Table, column: str, problems: list[str]) -> np.ndarray:
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
