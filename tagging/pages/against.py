"""How a run differs from another on the same clips, class by class, and whether the difference is more than noise."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import numpy as np

from tagging.config import told_apart
from tagging.contract import Metric
from tagging.metrics import bootstrap_lwlrap, interval, lwlrap, lwlrap_per_class
from tagging.pages.cards import Scored
from tagging.report import charts
from tagging.tracking.store import Run

SAMPLES = 500  # of the bootstrap


@dataclass(frozen=True)
class Against:
    """Another run, how ours compares, and the chart of differences by class.

    `verdict` is better, worse or neither; `noise` says in a sentence how that was told.
    """

    name: str
    cv_lwlrap: float
    differs: str
    verdict: str
    noise: str
    chart: charts.Chart


def against(run: Run, scored: Scored, other: Run, theirs: Scored) -> Against:
    """Compare a run with another; both `scored` hold the same clips in the same order."""
    rng_of = np.random.default_rng  # the same draws of clips for both
    ours_drawn, ours_by_class = bootstrap_lwlrap(scored.truth, scored.probabilities, SAMPLES, rng_of(0))
    drawn, by_class = bootstrap_lwlrap(theirs.truth, theirs.probabilities, SAMPLES, rng_of(0))
    low, high = interval(ours_by_class - by_class).tolist()
    gains = lwlrap_per_class(scored.truth, scored.probabilities)[0]
    gains = (gains - lwlrap_per_class(theirs.truth, theirs.probabilities)[0]).tolist()
    rows = [
        {"class": name, "difference": gain, "low": below, "high": above}
        for name, gain, below, above in zip(scored.classes, gains, low, high, strict=True)
    ]
    rows.sort(key=lambda row: -row["difference"] if math.isfinite(row["difference"]) else math.inf)
    gain = lwlrap(scored.truth, scored.probabilities) - lwlrap(theirs.truth, theirs.probabilities)
    lowest, highest = interval(ours_drawn - drawn).tolist()
    return Against(
        name=other.name if other.name != run.name else f"{other.name} {other.id[:8]}",
        cv_lwlrap=other.metrics[Metric.CV_LWLRAP],
        differs=told_apart([other.params, run.params])[0],
        verdict="better" if lowest > 0 else "worse" if highest < 0 else "neither clearly better nor worse",
        noise=f"the difference is {gain:+.4f}, {lowest:+.4f} to {highest:+.4f} in 95 % of drawn sets of clips"
        f"{_over_folds(scored, theirs)}.",
        chart=charts.bars(rows, "class", "difference", "lwlrap of this run minus that of the other", "low", "high"),
    )


def _over_folds(scored: Scored, theirs: Scored) -> str:
    """Say by how much a run is ahead fold by fold."""
    folds = np.unique(scored.folds)
    if len(folds) < 2:
        return ""
    gains = [
        lwlrap(scored.truth[rows], scored.probabilities[rows]) - lwlrap(theirs.truth[rows], theirs.probabilities[rows])
        for rows in (scored.folds == fold for fold in folds)
    ]
    ahead = sum(gain > 0 for gain in gains)
    spread = f"{statistics.fmean(gains):+.4f} ± {statistics.stdev(gains):.4f}"
    return f"; fold by fold {spread}, ahead in {ahead} of {len(gains)}. Another seed of training moves a score too"
