"""How far a choice among candidates can be trusted: the numbers, on the screen and in the ensemble's run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tagging.contract import Metric
from tagging.ensemble.blend import Blend
from tagging.ensemble.bootstrap import Bootstrap
from tagging.ensemble.candidates import correlation, scores
from tagging.ensemble.pool import Pool
from tagging.ensemble.selection import Selection
from tagging.ensemble.subsets import Limits, count_subsets
from tagging.progress import say, warn
from tagging.report import selection as pictures
from tagging.report.wording import beside, count
from tagging.runs.members import weighted_names
from tagging.runs.result import seed_spread
from tagging.selection.choose import Choice, best_by_size
from tagging.selection.ensemble_run import SelectionRecord
from tagging.selection.settings import SelectionSettings
from tagging.tracking.files import Figure
from tagging.tracking.store import Run

SHOWN = 10  # rows of the table of blends


class SelectionReport:
    """A choice among `runs`, the candidates in the order of the pool, with intervals of the bootstrap over clips.

    `blends` has a row a blend, the best first: `way`, `members` and `weights`, `cv_lwlrap`, `nested_lwlrap`, `low` and
    `high`; `interval` is that of the chosen one. `alone` [N] is each candidate's own score, `gain` the interval of the
    chosen blend's score less the best of those, `rival` the position of that candidate, None where the chosen blend is
    that run and no other. `shares` [N]: how often a candidate is chosen when the choice is made anew on other clips;
    None where nothing was enumerated.
    """

    def __init__(self, runs: Sequence[Run], pool: Pool, choice: Choice, settings: SelectionSettings) -> None:
        self.runs, self.pool, self.choice, self.settings = runs, pool, choice, settings
        self.blend = blend = choice.chosen.blend
        bootstrap = Bootstrap(pool)
        compared = best_by_size(choice.enumerations)
        compared |= {name: one for name, one in choice.selections.items() if name not in choice.enumerations}
        self.blends = _blends(pool, compared, bootstrap, "nested_lwlrap" if settings.by == "nested" else "cv_lwlrap")
        (self.interval,) = bootstrap.intervals([blend])
        self.alone = scores(pool)
        best = int(np.argmax(self.alone))
        self.rival = None if blend.members == (best,) else best
        best_alone = Blend("arithmetic", tuple(int(one == best) for one in range(len(pool))))
        self.gain = bootstrap.difference(blend, best_alone)
        enumeration = choice.enumerations.get(blend.method)
        self.shares = None if enumeration is None else bootstrap.chosen(blend.method, enumeration.kept)

    def candidates(self) -> pd.DataFrame:
        """Return a row a candidate: its run, its own score with spreads, its weight, and how often it is chosen."""
        blend, seeds = self.blend, seed_spread(self.runs)
        weights = dict(zip(blend.members, blend.weights, strict=True))
        return pd.DataFrame(
            {
                "name": self.pool.names,
                "run": [run.id for run in self.runs],
                "kind": [run.kind for run in self.runs],
                "cv_lwlrap": self.alone,
                "fold_lwlrap_std": [run.metrics.get(Metric.FOLD_STD) for run in self.runs],
                "seed_lwlrap_std": [seeds.get(run.id) for run in self.runs],
                "weight": [weights.get(one, 0.0) for one in range(len(self.pool))],
                "chosen": np.nan if self.shares is None else self.shares,
            }
        )

    def figures(self) -> dict[str, Figure]:
        """Draw how alike candidates are and, where subsets were enumerated, score against size and what is chosen."""
        blend, pool = self.blend, self.pool
        alike = pictures.correlations("how alike the candidates are", pool.names, correlation(pool))
        figures: dict[str, Figure] = {"candidates": alike}
        enumerations = self.choice.enumerations
        if blend.method not in enumerations or self.shares is None:
            return figures
        title = f"{blend.method} means of {len(pool)} candidates"
        names = {size: f"{blend.method}, size {size}" for size in enumerations[blend.method].by_size}
        # a candidate alone is the same by any mean, and was scored by one of them
        names.update((1, f"{method}, size 1") for method, other in enumerations.items() if 1 in other.by_size)
        rows = self.blends.set_index("way").loc[[names[size] for size in sorted(names)]]
        intervals = list(zip(rows["low"], rows["high"], strict=True))
        best, nested = rows["cv_lwlrap"].tolist(), rows["nested_lwlrap"].tolist()
        figures["sizes"] = pictures.score_by_size(title, sorted(names), best, intervals, nested, len(blend.members))
        figures["chosen"] = pictures.chosen_share(title, pool.names, self.shares, blend.members)
        return figures


def _blends(pool: Pool, compared: Mapping[str, Selection], bootstrap: Bootstrap, by: str) -> pd.DataFrame:
    """Return a row a blend, the highest by a column first."""
    rows = [
        {
            "way": name,
            "members": ", ".join(weighted_names([pool.names[each] for each in one.blend.members], one.blend.weights)),
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


def print_report(report: SelectionReport) -> None:
    """Print the best blends, how optimistic the score of the chosen one is, and what it gains over a run alone."""
    members = Column("members", overflow="fold")  # long names are broken, not cut
    table = Table("", "blend", members, "CV lwlrap", "nested", "95 %", box=None, pad_edge=False)
    for rank, row in enumerate(report.blends.head(SHOWN).to_dict("records"), start=1):
        numbers = (f"{row['cv_lwlrap']:.4f}", f"{row['nested_lwlrap']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}")
        table.add_row(str(rank), row["way"], escape(row["members"]), *numbers)
    Console().print(table)
    chosen, rival, (low, high) = report.choice.chosen, report.rival, report.interval
    say(f"\nCV lwlrap {chosen.score:.4f}   nested {chosen.nested:.4f}   95 % {low:.4f} to {high:.4f}")
    say("\n".join(filter(None, [_optimism(report), gain(report)])))
    if rival is not None and chosen.score < report.alone[rival]:
        best = "the best that was scored" if report.settings.by == "cv" else "the best by the nested estimate"
        warn(f"{report.pool.names[rival]} alone has a higher CV than this blend, {best}")


def record_of(report: SelectionReport) -> SelectionRecord:
    """Return what the ensemble's run keeps of the choice."""
    settings, pool, interval = report.settings, report.pool, report.interval
    return SelectionRecord(
        how=_how(report),
        gain=gain(report),
        params={
            "select.search": settings.search,
            "select.by": settings.by,
            "select.methods": ", ".join(settings.methods),
            "select.smallest": settings.limits.smallest,
            "select.largest": settings.limits.largest or len(pool),
            "select.must": ", ".join(pool.names[one] for one in settings.limits.must),
            "select.candidates": len(pool),
            "select.subsets": report.choice.subsets,
        },
        metrics={
            Metric.NESTED_LWLRAP: report.choice.chosen.nested,
            Metric.CV_LOW: interval.low,
            Metric.CV_HIGH: interval.high,
        },
        tables={"blends": report.blends, "candidates": report.candidates()},
        figures=report.figures(),
        seed_spread=seed_spread(report.runs),
    )


def gain(report: SelectionReport) -> str:
    """Return what the choice gains over the best candidate alone; empty where it is that candidate."""
    if report.rival is None:
        return ""
    difference = _signed(report.choice.chosen.score - report.alone[report.rival])
    interval = f"(95 % {_signed(report.gain.low)} to {_signed(report.gain.high)})"
    return f"against {report.pool.names[report.rival]} alone {difference} {interval}"


def _signed(difference: float) -> str:
    return f"{round(difference, 4) + 0.0:+.4f}"  # adding 0 makes a -0 a 0


def _optimism(report: SelectionReport) -> str:
    """Return how optimistic the score of the choice is, in two lines."""
    gap = report.choice.chosen.score - report.choice.chosen.nested
    return (
        f"the CV is {_among(report)}, scored on the clips it was chosen on:\n"
        f"{beside(gap)} the nested estimate, chosen without the fold it is scored on"
    )


def _among(report: SelectionReport) -> str:
    """Return among how many blends the chosen one has the highest CV: by the nested estimate, those of its size."""
    settings, blend = report.settings, report.blend
    if settings.search != "enumerate":
        return "the best that was found"
    number, what, of_size = report.choice.subsets, "subset", ""
    if settings.by == "nested":
        size = len(blend.members)
        number = count_subsets(len(report.pool), Limits(size, size, settings.limits.must))
        what, of_size = f"{blend.method} mean", f" of {count(size, 'member')}"
    return (f"that of the only {what}" if number == 1 else f"the best of {count(number, what)}") + of_size


def _how(report: SelectionReport) -> str:
    settings, pool, nested = report.settings, report.pool, report.settings.by == "nested"
    what = f"among {count(len(pool), 'candidate')} by the {'nested estimate' if nested else 'CV'} ({settings.search})"
    twice = "; as the highest of several, the nested estimate flatters a little too" if nested else ""
    stability = ""
    if report.shares is not None:
        shares = ", ".join(f"{pool.names[one]} {report.shares[one]:.0%}" for one in report.blend.members)
        stability = f" Share of bootstrap samples of the clips in which each member is chosen again: {shares}."
    return f"{what}; {_optimism(report)}{twice}.{stability}"
