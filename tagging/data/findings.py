"""What reading a data set brings to light: problems that stop it, warnings that are recorded."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tagging.errors import UserError, nearest

SHOWN = 20  # lines of one kind on the screen; beyond that the same mistake only repeats itself

T = TypeVar("T")


@dataclass
class Findings:
    """Collects problems and warnings, so that the user sees all of them at once."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def stop_if_any(self) -> None:
        """Raise a UserError with all problems where there are any."""
        if self.problems:
            raise UserError(*self.problems)


def limited(items: Sequence[T], say: Callable[[T], str], kind: str) -> list[str]:
    """Say the first 20 of many alike, and how many more there are.

    `say` turns an item into its line; `kind` names the items in the plural ("unknown labels in x.csv").
    """
    lines = [say(item) for item in items[:SHOWN]]
    if len(items) > SHOWN:
        lines.append(f"... and {len(items) - SHOWN} more {kind}")
    return lines


def quoted(names: Iterable[str]) -> str:
    """Join names for a message: the first 20 in quotation marks, then how many more."""
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:SHOWN])
    return text if len(listed) <= SHOWN else f"{text} and {len(listed) - SHOWN} more"


def apart(theirs: Sequence[str], ours: Sequence[str], there: str = "only there", here: str = "only here") -> str:
    """Say how two lists of names differ: "only there A, B, C and 2 more; only here D", empty where they do not.

    Names stand in the order of their list.
    """
    sides = (
        (there, [name for name in theirs if name not in ours]),
        (here, [name for name in ours if name not in theirs]),
    )
    return "; ".join(
        f"{side} {', '.join(some[:3])}{f' and {len(some) - 3} more' if len(some) > 3 else ''}"
        for side, some in sides
        if some
    )


def spelled(name: str, others: Iterable[str]) -> str:
    """Quote a name; where it reads as one of the others to the eye, with its letters as Unicode numbers."""
    form = unicodedata.normalize("NFC", name)
    same = any(other != name and unicodedata.normalize("NFC", other) == form for other in others)
    return ascii(name) if same else repr(name)


def did_you_mean(name: str, allowed: Sequence[str]) -> str:
    """Return "; did you mean 'X'?" with the nearest allowed name, or nothing where none is near."""
    near = nearest(name, allowed)
    return f"; did you mean {spelled(near, [name])}?" if near else ""
