"""The texts on the pages of runs in the UI, in Markdown: what a run is, how good it is and how to continue.

The texts stand in `templates/`, one file a kind of page.
"""

from __future__ import annotations

import math
import re
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tagging.report.wording import beside, count

if TYPE_CHECKING:
    from jinja2 import Environment

SHOWN = 3  # best and worst classes
LONGEST_TEXT = 1500  # characters of settings: MLflow cuts a page at 8000
LONGEST_DIFFERS = 140  # characters in a cell
ROWS = 25  # members in the table of an ensemble


@dataclass(frozen=True)
class Linked:
    """A run that another run's page names; `link` opens it in the UI."""

    name: str
    link: str


@dataclass(frozen=True)
class Rival(Linked):
    """The best other run on the same clips and folds on a day, `date`.

    `differs` lists what it changes of its base; `gains` are this run's lwlrap minus the rival's, fold by fold.
    """

    date: str
    differs: str
    cv_lwlrap: float
    gains: Sequence[float]


@dataclass(frozen=True)
class TrialOf:
    """The sweep that a trial belongs to, the beginning of its run's id, and the trial's number."""

    sweep: Linked
    sweep_id: str
    number: str


@dataclass(frozen=True)
class Member(Linked):
    """A run whose predictions a stacker learns from."""

    cv_lwlrap: float


@dataclass(frozen=True)
class TaughtBy(Linked):
    """The run whose probabilities are in the targets, and its share in those of curated and of noisy clips."""

    curated: float
    noisy: float


@dataclass(frozen=True)
class Corrected:
    """What a list of corrected labels changes: the score on them, and the clips it relabels and removes."""

    lwlrap: float
    relabelled: int
    removed: int


@dataclass(frozen=True)
class MemberRow(Member):
    """A member of an ensemble: `differs` lists how it is unlike the other members, `weight` in 0..1.

    `fold_std` is the standard deviation of its lwlrap over folds, `seed_std` over training seeds where several such
    runs exist.
    """

    kind: str
    differs: str
    weight: float
    fold_std: float | None
    seed_std: float | None


def page(template: str, **values: object) -> str:
    """Return the text of `templates/TEMPLATE.md.j2`, whose head lists its values; these are shown as they are."""
    return _environment().get_template(f"{template}.md.j2").render(values)


def worst_classes(class_lwlrap: Mapping[str, float]) -> str:
    """Return the worst classes and their lwlrap in one line, for a table of runs."""
    return ", ".join(f"{name} {value:.3f}" for name, value in ranked_classes(class_lwlrap)[::-1][:SHOWN])


def ranked_classes(class_lwlrap: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the classes that any clip carries with their lwlrap, the best first; NaN: no clip carries it."""
    known = [(name, value) for name, value in class_lwlrap.items() if not math.isnan(value)]
    return sorted(known, key=lambda pair: -pair[1])


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only a finished run needs it

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "beside": beside,
        "cell": _cell,
        "class_scores": lambda pairs: ", ".join(f"`{name}` {value:.3f}" for name, value in islice(pairs, SHOWN)),
        "counted": count,
        "linked": lambda run: f"[{re.sub(r'[][`|]', '', run.name)}]({run.link})",  # whatever its name holds
        "mean": statistics.fmean,
        "ranked": ranked_classes,
        "score": lambda value: "" if value is None else f"{value:.4f}",
        "shortened": lambda text: text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …",
        "stdev": statistics.stdev,
    }
    environment.globals["most_rows"] = ROWS
    return environment


def _cell(differs: str) -> str:
    """Return settings as a cell of a table, cut between two fields."""
    short = textwrap.shorten(differs, LONGEST_DIFFERS, placeholder=" …")
    return f"`{short}`".replace("|", "/") if short else ""
