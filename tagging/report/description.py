"""The text on a run's page: what the run is, how good it is and how to go on."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tagging.report.wording import count

SHOWN = 3  # best and worst classes


@dataclass(frozen=True)
class Summary:
    """What the description of a finished run tells.

    `run` is the run's name, `notes` what its experiment says of itself. `curated`, `noisy` and `test`
    count clips. `fold_lwlrap` holds a score a fold, `class_lwlrap` one a class, NaN without clips; all
    in 0..1, on original labels. `best_epoch_gain` is how far val_lwlrap of the best epochs lies above that
    of the last ones, where the best epoch on a fold predicts it.
    """

    run: str
    experiment: str
    notes: str
    dataset: str
    curated: int
    noisy: int
    test: int
    cv_lwlrap: float
    fold_lwlrap_mean: float
    fold_lwlrap_std: float
    folds: int
    class_lwlrap: Mapping[str, float]
    warnings: int
    best_epoch_gain: float | None = None


def describe(summary: Summary) -> str:
    """Return the run's description in Markdown."""
    ranked = sorted(
        ((name, value) for name, value in summary.class_lwlrap.items() if not math.isnan(value)),
        key=lambda pair: -pair[1],
    )
    spread = f"{summary.fold_lwlrap_mean:.4f} ± {summary.fold_lwlrap_std:.4f}"
    notes = summary.notes.strip()
    paragraphs = [
        f"## CV lwlrap {summary.cv_lwlrap:.4f} ({count(summary.folds, 'fold')}: {spread})",
        f"**Experiment** `{summary.experiment}`" + (f": {notes}" if notes else ""),
        f"**Data set** `{summary.dataset}`: {_clips(summary)}; {count(len(summary.class_lwlrap), 'class')}",
        f"**Best classes:** {_scores(ranked[:SHOWN])}",
        f"**Worst classes:** {_scores(ranked[::-1][:SHOWN])}",
        f"**How to go on**\n\n{_commands(summary)}",
    ]
    if summary.best_epoch_gain is not None:
        paragraphs.append(
            "Each fold is predicted by its best epoch on that same fold, which flatters the number: "
            f"val_lwlrap there lies {summary.best_epoch_gain:.4f} above the last epoch's on average."
        )
    if summary.warnings:
        paragraphs.append(f"{count(summary.warnings, 'warning')} recorded with this run.")
    return "\n\n".join(paragraphs) + "\n"


def _clips(summary: Summary) -> str:
    """Return the numbers of clips, without the kinds that the data set has none of."""
    kinds = ((summary.curated, "curated"), (summary.noisy, "noisy"), (summary.test, "test"))
    return ", ".join(count(number, f"{kind} clip") for number, kind in kinds if number)


def _scores(pairs: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"`{name}` {value:.3f}" for name, value in pairs)


def _commands(summary: Summary) -> str:
    """Return the commands that use the run; a submission needs test clips."""
    run = shlex.quote(summary.run)
    lines = [f"python -m tagging predict --run {run} FOLDER   # tag new sound"]
    if summary.test:
        lines.append(f"python -m tagging submit --run {run}   # write submission.csv")
    return "\n".join(["```", *lines, "```"])
