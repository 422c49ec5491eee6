"""The text on a run's page: what the run is, how good it is and how to go on."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tagging.report.wording import beside, count

SHOWN = 3  # best and worst classes
LONGEST_TEXT = 1500  # characters of settings
LEAK = (
    "**The CV is too good:** labels of the clips held out here reach what the run learnt from, and it stays out of "
    "ensembles unless its tag `ensemble` is set to include (docs/distil.md)"
)


class Linked(Protocol):
    """Whatever has a name and a page in the UI."""

    @property
    def name(self) -> str:
        """What is shown."""

    @property
    def link(self) -> str:
        """Where it leads."""


@dataclass(frozen=True)
class Rival:
    """The best other run on the same clips and folds on a day, `date`.

    `link` opens it in the UI, `differs` says what it changes of its base; `gains` are this run's lwlrap minus
    the rival's, fold by fold.
    """

    name: str
    date: str
    link: str
    differs: str
    cv_lwlrap: float
    gains: Sequence[float]


@dataclass(frozen=True)
class Corrected:
    """What a list of corrected labels changes: the score on them, and the clips it relabels and removes."""

    lwlrap: float
    relabelled: int
    removed: int


@dataclass(frozen=True)
class StartedFrom:
    """The run whose weights training started from; `link` opens it in the UI."""

    name: str
    link: str


@dataclass(frozen=True)
class Member:
    """A run whose predictions a stacker learns from; `link` opens it in the UI."""

    name: str
    link: str
    cv_lwlrap: float


@dataclass(frozen=True)
class TaughtBy:
    """The run whose probabilities are in the targets, and its shares in those of each half.

    `link` opens it in the UI.
    """

    name: str
    link: str
    curated: float
    noisy: float


@dataclass(frozen=True)
class Summary:
    """What the description of a finished run tells.

    `run` names the run on a command line, `notes` what its experiment says of itself, `differs` the settings
    that it does not share with the experiment `base`. `curated`, `noisy` and `test` count clips. `class_lwlrap`
    holds a score a class, NaN without clips; all in 0..1, on original labels. `best_epoch_gain` is how far
    val_lwlrap of the best epochs lies above that of the last ones, where the best epoch on a fold predicts it;
    `leaks` where labels of held-out clips reach what the run learnt from.
    """

    run: str
    experiment: str
    notes: str
    base: str
    differs: str
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
    rival: Rival | None = None
    started_from: StartedFrom | None = None
    taught_by: TaughtBy | None = None
    corrected: Corrected | None = None
    members: Sequence[Member] = ()
    leaks: bool = False


def describe(summary: Summary) -> str:
    """Return the run's description in Markdown."""
    ranked = ranked_classes(summary.class_lwlrap)
    spread = f"{summary.fold_lwlrap_mean:.4f} ± {summary.fold_lwlrap_std:.4f}"
    notes = summary.notes.strip()
    paragraphs = [
        f"## CV lwlrap {summary.cv_lwlrap:.4f} ({count(summary.folds, 'fold')}: {spread})",
        # the UI shows little more than this without a click
        *([_comparison(summary.cv_lwlrap, summary.rival)] if summary.rival else []),
        *([_correction(summary.corrected)] if summary.corrected else []),
        _differences(summary),
        *([f"**Started from** the weights of {linked(summary.started_from)}"] if summary.started_from else []),
        *([_teaching(summary.taught_by)] if summary.taught_by else []),
        *([_membership(summary.members)] if summary.members else []),
        *([LEAK] if summary.leaks else []),
        f"**Experiment** `{summary.experiment}`" + (f": {notes}" if notes else ""),
        f"**Data set** `{summary.dataset}`: {_clips(summary)}; {count(len(summary.class_lwlrap), 'class')}",
        f"**Best classes:** {class_scores(ranked)}",
        f"**Worst classes:** {class_scores(ranked[::-1])}",
        f"**How to go on**\n\n{usage(summary.run, bool(summary.test))}",
    ]
    if summary.best_epoch_gain is not None:
        paragraphs.append(
            "Each fold is predicted by its best epoch on that same fold, which flatters the number: "
            f"val_lwlrap there lies {summary.best_epoch_gain:.4f} above the last epoch's on average."
        )
    if summary.warnings:
        paragraphs.append(f"{count(summary.warnings, 'warning')} recorded in `data/warnings.txt` of this run.")
    return "\n\n".join(paragraphs) + "\n"


def worst_classes(class_lwlrap: Mapping[str, float]) -> str:
    """Return the worst classes and their lwlrap in one line, for a table of runs."""
    return ", ".join(f"{name} {value:.3f}" for name, value in ranked_classes(class_lwlrap)[::-1][:SHOWN])


def ranked_classes(class_lwlrap: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the classes that any clip carries with their lwlrap, the best first; NaN: no clip carries it."""
    known = [(name, value) for name, value in class_lwlrap.items() if not math.isnan(value)]
    return sorted(known, key=lambda pair: -pair[1])


def _differences(summary: Summary) -> str:
    base = f"`{summary.base}`" if summary.base else "the defaults"
    if not summary.differs:
        return f"**The same settings as** {base}"
    return f"**Differs from** {base} in `{_shortened(summary.differs)}`"


def _shortened(text: str) -> str:
    """Leave room for the rest: MLflow cuts a description at 8000 characters."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"


def _comparison(cv_lwlrap: float, rival: Rival) -> str:
    folds = len(rival.gains)
    spread = f" ± {statistics.stdev(rival.gains):.4f}" if folds > 1 else ""
    ahead = sum(value > 0 for value in rival.gains)
    return (
        f"**The best other run** on {rival.date}, {linked(rival)}"
        + (f" (`{_shortened(rival.differs)}`)" if rival.differs else "")
        + f", has {rival.cv_lwlrap:.4f}: this one lies {beside(cv_lwlrap - rival.cv_lwlrap)} it; "
        f"fold by fold {statistics.fmean(rival.gains):+.4f}{spread}, ahead in {ahead} of {folds}"
    )


def _correction(corrected: Corrected) -> str:
    return (
        f"**On corrected labels** {corrected.lwlrap:.4f}: `labels.corrections` relabels "
        f"{count(corrected.relabelled, 'clip')} and removes {corrected.removed}. The number above counts every curated "
        "clip with the labels it came with, whatever the list says, so that runs with other lists compare; "
        "`val_lwlrap` during training knows corrected labels alone"
    )


def _membership(members: Sequence[Member]) -> str:
    listed = "; ".join(f"{linked(member)} {member.cv_lwlrap:.4f}" for member in members)
    return (
        f"**Learns from** the out-of-fold predictions of {count(len(members), 'member')}, in the order of its inputs, "
        f"with their CV lwlrap: {listed}. The networks behind what a fold learns from have seen that fold's held-out "
        "clips, as in any stacking"
    )


def _teaching(teacher: TaughtBy) -> str:
    halves = ((teacher.curated, "curated"), (teacher.noisy, "noisy"))
    shares = " and ".join(f"{share:.0%} of {half} clips" for share, half in halves if share)
    return (
        f"**Learns from** {linked(teacher)}: its probabilities make up {shares} in the training targets. "
        "Scores count labels alone"
    )


def linked(run: Linked) -> str:
    """Return a link to a run in the UI, in Markdown, whatever its name holds."""
    return f"[{re.sub(r'[][`|]', '', run.name)}]({run.link})"


def _clips(summary: Summary) -> str:
    """Return the numbers of clips, without the kinds that the data set has none of."""
    kinds = ((summary.curated, "curated"), (summary.noisy, "noisy"), (summary.test, "test"))
    return ", ".join(count(number, f"{kind} clip") for number, kind in kinds if number)


def class_scores(pairs: Sequence[tuple[str, float]]) -> str:
    """Return the first classes with their lwlrap, in Markdown."""
    return ", ".join(f"`{name}` {value:.3f}" for name, value in pairs[:SHOWN])


def usage(run: str, has_test: bool) -> str:
    """Return the commands that use a run, in Markdown; a submission needs test clips."""
    lines = [f"python -m tagging predict --run {run} FOLDER   # tag new sound"]
    if has_test:
        lines.append(f"python -m tagging submit --run {run}   # write submission.csv")
    return "\n".join(["```", *lines, "```"])
