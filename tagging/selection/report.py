"""How far a choice among candidates can be trusted: the numbers, and what the ensemble's run keeps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tagging.contract import Metric
from tagging.ensemble.blend import Blend, equal_blend
from tagging.ensemble.bootstrap import Bootstrap, Interval
from tagging.ensemble.candidates import correlation, scores
from tagging.ensemble.pool import Pool
from tagging.ensemble.selection import Selection
from tagging.report import selection as pictures
from tagging.selection.candidates import seed_spread
from tagging.selection.choose import Choice
from tagging.selection.settings import SelectionSettings
from tagging.tracking.files import Figure
from tagging.tracking.store import Run


@dataclass(frozen=True)
class SelectionReport:
    """A choice among `runs`, the candidates in the order of the pool, with intervals of the bootstrap over clips.

    `blends` has a row a blend, the best first: `way`, `members` and `weights`, `cv_lwlrap`, `nested_lwlrap`, `low` and
    `high`. `alone` [N] is each candidate's own score, `gain` the interval of the chosen blend's score less the best of
    those. `shares` [N]: how often a candidate is chosen when the choice is made anew on other clips; None where nothing
    was enumerated.
    """

    runs: Sequence[Run]
    pool: Pool
    choice: Choice
    settings: SelectionSettings
    blends: pd.DataFrame
    interval: Interval
    alone: np.ndarray
    gain: Interval
    shares: np.ndarray | None

    @property
    def rival(self) -> int | None:
        """The position of the best candidate; None where the chosen blend is that run and no other."""
        best = int(np.argmax(self.alone))
        return None if self.choice.chosen.blend.members == (best,) else best


def report_on(runs: Sequence[Run], pool: Pool, choice: Choice, settings: SelectionSettings) -> SelectionReport:
    """Return the report on a choice among the candidates of a pool."""
    bootstrap = Bootstrap(pool)
    blend = choice.chosen.blend
    compared = dict(choice.by_size)
    compared |= {name: one for name, one in choice.selections.items() if name not in choice.enumerations}
    alone = scores(pool)
    best = equal_blend("arithmetic", [int(np.argmax(alone))], len(pool))  # of one member, so its own probabilities
    enumeration = choice.enumerations.get(blend.method)
    return SelectionReport(
        runs=runs,
        pool=pool,
        choice=choice,
        settings=settings,
        blends=_blends(pool, compared, bootstrap, "nested_lwlrap" if settings.by == "nested" else "cv_lwlrap"),
        interval=bootstrap.intervals([blend])[0],
        alone=alone,
        gain=bootstrap.difference(blend, best),
        shares=None if enumeration is None else bootstrap.chosen(blend.method, enumeration.kept),
    )


def params_of(report: SelectionReport) -> dict[str, object]:
    """Return how the choice was made, as params of the ensemble's run."""
    settings, pool = report.settings, report.pool
    return {
        "select.search": settings.search,
        "select.by": settings.by,
        "select.methods": ", ".join(settings.methods),
        "select.smallest": settings.limits.smallest,
        "select.largest": settings.limits.largest or len(pool),
        "select.must": ", ".join(pool.names[one] for one in settings.limits.must),
        "select.candidates": len(pool),
        "select.subsets": report.choice.subsets,
    }


def candidate_table(report: SelectionReport) -> pd.DataFrame:
    """Return a row a candidate: its run, its own score with spreads, its weight, and how often it is chosen."""
    blend, seeds = report.choice.chosen.blend, seed_spread(report.runs)
    weights = dict(zip(blend.members, blend.weights, strict=True))
    return pd.DataFrame(
        {
            "name": report.pool.names,
            "run": [run.id for run in report.runs],
            "kind": [run.kind for run in report.runs],
            "cv_lwlrap": report.alone,
            "fold_lwlrap_std": [run.metrics.get(Metric.FOLD_STD) for run in report.runs],
            "seed_lwlrap_std": [seeds.get(run.id) for run in report.runs],
            "weight": [weights.get(one, 0.0) for one in range(len(report.pool))],
            "chosen": np.nan if report.shares is None else report.shares,
        }
    )


def figures_of(report: SelectionReport) -> dict[str, Figure]:
    """Draw how alike candidates are and, where subsets were enumerated, score against size and what is chosen."""
    blend, pool = report.choice.chosen.blend, report.pool
    alike = pictures.correlations("how alike the candidates are", pool.names, correlation(pool))
    figures: dict[str, Figure] = {"candidates": alike}
    enumerations = report.choice.enumerations
    if blend.method not in enumerations or report.shares is None:
        return figures
    title = f"{blend.method} means of {len(pool)} candidates"
    names = {size: f"{blend.method}, size {size}" for size in enumerations[blend.method].by_size}
    # a candidate alone is the same by any mean, and was scored by one of them
    names.update((1, f"{method}, size 1") for method, other in enumerations.items() if 1 in other.by_size)
    rows = report.blends.set_index("way").loc[[names[size] for size in sorted(names)]]
    intervals = list(zip(rows["low"], rows["high"], strict=True))
    figures["sizes"] = pictures.score_by_size(
        title, sorted(names), rows["cv_lwlrap"].tolist(), intervals, rows["nested_lwlrap"].tolist(), len(blend.members)
    )
    figures["chosen"] = pictures.chosen_share(title, pool.names, report.shares, blend.members)
    return figures


def _blends(pool: Pool, compared: Mapping[str, Selection], bootstrap: Bootstrap, by: str) -> pd.DataFrame:
    """Return a row a blend, the highest by a column first."""
    rows = [
        {
            "way": name,
            "members": ", ".join(_member_names(pool, one.blend)),
            "cv_lwlrap": one.score,
            "nested_lwlrap": one.nested,
            "low": interval.low,
            "high": interval.high,
        }
        for (name, one), interval in zip(
            compared.items(), bootstrap.intervals([one.blend for one in compared.values()]), strict=True
        )
    ]
    return pd.DataFrame(rows).sort_values(by, ascending=False, kind="stable", ignore_index=True)


def _member_names(pool: Pool, blend: Blend) -> list[str]:
    """Return the names of a blend's members, with their weights where these are not all the same."""
    pairs = zip(blend.members, blend.weights, strict=True)
    equal = len(set(blend.weights)) == 1
    return [pool.names[one] if equal else f"{pool.names[one]} {weight:.3f}" for one, weight in pairs]
