"""What a trial chose for a field, as a column of a table and as words in a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeGuard

from tagging.config.load import leaf_text


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def column(chosen: Sequence[object]) -> list[float] | list[str]:
    """Return the values of one field as numbers if all are, else as texts; a section is its JSON."""
    numbers = [float(value) for value in chosen if is_number(value)]
    return numbers if len(numbers) == len(chosen) else [leaf_text(value) for value in chosen]


def words(value: object) -> str:
    """Return a value for people: numbers of four digits, a section as `cosine, first 6`."""
    if is_number(value):
        return f"{value:.4g}"
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, dict):
        kind = [str(value["kind"])] if "kind" in value else []
        return ", ".join(kind + [f"{key} {words(inner)}" for key, inner in value.items() if key != "kind"])
    return leaf_text(value)
