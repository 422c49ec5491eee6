"""The text on the page of an ensemble's run: how good it is, how far that can be trusted, and who its members are."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tagging.contract import Metric
from tagging.report.description import LEAK, class_scores, linked, ranked_classes, usage
from tagging.report.wording import beside, count

ROWS = 25  # members in the table: MLflow cuts a description at 8000 characters
LONGEST_DIFFERS = 140  # characters in a cell


@dataclass(frozen=True)
class MemberRow:
    """A member: `link` opens it in the UI, `differs` says how it is unlike the other members, `weight` in 0..1.

    `cv_lwlrap` is its own score; `fold_std` the standard deviation over its folds, `seed_std` over training seeds
    where several such runs exist.
    """

    name: str
    link: str
    kind: str
    differs: str
    weight: float
    cv_lwlrap: float
    fold_std: float | None
    seed_std: float | None


@dataclass(frozen=True)
class EnsembleSummary:
    """What the description of an ensemble tells.

    `run` names the run on a command line, `how` says in a sentence how the members were chosen. `metrics` hold
    `cv_lwlrap` and, where known, `nested_lwlrap`, `cv_lwlrap_low` and `cv_lwlrap_high`, and the folds' mean and
    standard deviation. `gain` says what it gains over the best candidate alone, with an interval, where that is known.
    `class_lwlrap` holds a score a class, NaN without clips. `leaks` as a training's.
    """

    run: str
    method: str
    how: str
    dataset: str
    curated: int
    test: int
    metrics: Mapping[str, float]
    class_lwlrap: Mapping[str, float]
    members: Sequence[MemberRow]
    leaks: bool = False
    gain: str = ""


def describe_ensemble(summary: EnsembleSummary) -> str:
    """Return the run's description in Markdown."""
    ranked = ranked_classes(summary.class_lwlrap)
    best = max(summary.members, key=lambda member: member.cv_lwlrap)
    together = (
        f"; the best of them alone, {linked(best)}, has {best.cv_lwlrap:.4f}: together "
        f"{beside(summary.metrics[Metric.CV_LWLRAP] - best.cv_lwlrap)} it"
        if len(summary.members) > 1
        else ""
    )
    paragraphs = [
        f"## {headline(summary.metrics)}",
        f"**{summary.method.capitalize()} mean** of {count(len(summary.members), 'member')}{together}",
        *([f"**Gain** {summary.gain}"] if summary.gain else []),
        f"**Chosen** {summary.how}",
        *([LEAK] if summary.leaks else []),
        _table(summary.members),
        f"**Data set** `{summary.dataset}`: {count(summary.curated, 'curated clip')}"
        + (f", {count(summary.test, 'test clip')}" if summary.test else ""),
        f"**Best classes:** {class_scores(ranked)}",
        f"**Worst classes:** {class_scores(ranked[::-1])}",
        f"**How to go on**\n\n{usage(summary.run, bool(summary.test))}",
    ]
    return "\n\n".join(paragraphs) + "\n"


def headline(metrics: Mapping[str, float]) -> str:
    """Return the scores in a line, those that are known: `CV lwlrap 0.9101 (nested 0.9050; 95 % 0.8935 to 0.9242)`."""
    parts = []
    if Metric.NESTED_LWLRAP in metrics:
        parts.append(f"nested {metrics[Metric.NESTED_LWLRAP]:.4f}")
    if Metric.CV_LOW in metrics:
        parts.append(f"95 % {metrics[Metric.CV_LOW]:.4f} to {metrics[Metric.CV_HIGH]:.4f}")
    if Metric.FOLD_STD in metrics:
        parts.append(f"folds {metrics[Metric.FOLD_MEAN]:.4f} ± {metrics[Metric.FOLD_STD]:.4f}")
    return f"CV lwlrap {metrics[Metric.CV_LWLRAP]:.4f}" + (f" ({'; '.join(parts)})" if parts else "")


def _table(members: Sequence[MemberRow]) -> str:
    lines = [
        "| member | kind | differs | weight | CV lwlrap | ± folds | ± seeds |",
        "|---|---|---|--:|--:|--:|--:|",
        *(_row(member) for member in members[:ROWS]),
    ]
    if len(members) > ROWS:
        lines.append(f"\n… and {len(members) - ROWS} more in `ensemble.json`")
    return "\n".join(lines)


def _row(member: MemberRow) -> str:
    differs = textwrap.shorten(member.differs, LONGEST_DIFFERS, placeholder=" …")
    cells = [
        linked(member),
        member.kind,
        f"`{differs}`".replace("|", "/") if differs else "",
        f"{member.weight:.3f}",
        f"{member.cv_lwlrap:.4f}",
        _spread(member.fold_std),
        _spread(member.seed_std),
    ]
    return f"| {' | '.join(cells)} |"


def _spread(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
