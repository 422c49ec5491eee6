"""Words for numbers."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Return the number with its noun: `1 clip`, `4,970 clips`, `80 classes`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def duration(seconds: float) -> str:
    """Return a time that is an estimate: `about 40 s`, `about 5 minutes`, `about 31 hours`, `about 12 days`."""
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"about {seconds / size:,.0f} {unit}"
    return f"about {seconds:.0f} s"
