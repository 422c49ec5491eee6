"""Words for numbers."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Return the number with its noun: `1 clip`, `4,970 clips`, `80 classes`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"
