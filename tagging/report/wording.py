"""Words for numbers."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Return the number with its noun: `1 clip`, `4,970 clips`, `80 classes`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def beside(difference: float) -> str:
    """Return where a score lies whose difference to another is given: `0.0120 above`, `0.0120 below`, `level with`."""
    size = f"{abs(difference):.4f}"
    if float(size) == 0:
        return "level with"
    return f"{size} {'above' if difference > 0 else 'below'}"


def span(seconds: float) -> str:
    """Return a length of time: `40 s`, `5 minutes`, `31 hours`, `12 days`."""
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


def duration(seconds: float) -> str:
    """Return a length of time that is an estimate: `about 40 s`, `about 5 minutes`."""
    return f"about {span(seconds)}"
