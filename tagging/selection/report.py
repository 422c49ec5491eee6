"""What a selection found: how far it can be trusted, as a table on the screen and as files of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tagging.contract import Metric
from tagging.ensemble.blend import Blend, equal_blend
from tagging.ensemble.bootstrap import Bootstrap, Interval
from tagging.ensemble.candidates import correlation, scores
from tagging.ensemble.pool import Pool
from tagging.ensemble.selection import Selection
from tagging.ensemble.subsets import Limits, count_subsets
from tagging.progress import say, warn
from tagging.report import selection as pictures
from tagging.report.wording import beside, count
from tagging.selection.candidates import seed_spread
from tagging.selection.choose import Choice
from tagging.selection.ensemble_run import SelectionRecord
from tagging.selection.settings import SelectionSettings
from tagging.tracking.files import Figure
from tagging.tracking.store import Run

SHOWN = 10  # rows of the table


@dataclass(frozen=True)
class SelectionReport:
    """A choice among `runs`, the candidates in the order of the pool, and what the bootstrap over clips says of it.

    `blends` has a row a blend, the best first: `way`, `members` and `weights`, `cv_lwlrap`, `nested_lwlrap`, `low` and
    `high`. `alone` [N] is each candidate's own score, `gain` the interval of the taken blend's score less the best of
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
        """The position of the best candidate; None where the taken blend is that run and no other."""
        best = int(np.argmax(self.alone))
        return None if self.choice.chosen.blend.members == (best,) else best


def report_on(runs: Sequence[Run], pool: Pool, choice: Choice, settings: SelectionSettings) -> SelectionReport:
    """Say how far a choice can be trusted."""
    bootstrap = Bootstrap(pool)
    blend = choice.chosen.blend
    ways = dict(choice.by_size)
    ways |= {name: one for name, one in choice.selections.items() if name not in choice.enumerations}
    alone = scores(pool)
    best = equal_blend("arithmetic", [int(np.argmax(alone))], len(pool))  # which leaves it as it is
    found = choice.enumerations.get(blend.method)
    return SelectionReport(
        runs=runs,
        pool=pool,
        choice=choice,
        settings=settings,
        blends=_table(pool, ways, bootstrap.intervals([one.blend for one in ways.values()]), settings),
        interval=bootstrap.intervals([blend])[0],
        alone=alone,
        gain=bootstrap.difference(blend, best),
        shares=None if found is None else bootstrap.chosen(blend.method, found.kept),
    )


def show(found: SelectionReport) -> None:
    """Print the best blends and how optimistic the number of the first is."""
    members = Column("members", overflow="fold")  # long names are broken, not cut
    table = Table("", "blend", members, "CV lwlrap", "nested", "95 %", box=None, pad_edge=False)
    for rank, row in enumerate(found.blends.head(SHOWN).to_dict("records"), start=1):
        numbers = (f"{row['cv_lwlrap']:.4f}", f"{row['nested_lwlrap']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}")
        table.add_row(str(rank), row["way"], escape(row["members"]), *numbers)
    Console().print(table)
    say(_trust(found))
    rival = found.rival
    if rival is not None and found.choice.chosen.score < found.alone[rival]:
        best = "the best that was looked at" if found.settings.by == "cv" else "the best by the nested estimate"
        warn(f"{found.pool.names[rival]} alone has a higher CV than this blend, {best}")


def _trust(found: SelectionReport) -> str:
    """Return how good the choice is, how optimistic that number is, and what it gains, in lines."""
    taken, low, high = found.choice.chosen, found.interval.low, found.interval.high
    lines = [
        f"\nCV lwlrap {taken.score:.4f}   nested {taken.nested:.4f}   95 % {low:.4f} to {high:.4f}",
        _flattery(found),
    ]
    return "\n".join([*lines, *_gain(found)])


def _gain(found: SelectionReport) -> list[str]:
    """Return, in a line, what the choice gains over the best candidate alone; none where it is that candidate."""
    if found.rival is None:
        return []
    gain = _signed(found.choice.chosen.score - found.alone[found.rival])
    interval = f"(95 % {_signed(found.gain.low)} to {_signed(found.gain.high)})"
    return [f"against {found.pool.names[found.rival]} alone {gain} {interval}"]


def _signed(difference: float) -> str:
    return f"{round(difference, 4) + 0.0:+.4f}"  # adding 0 makes a -0 a 0


def _flattery(found: SelectionReport) -> str:
    """Return how optimistic the score of the choice is, in two lines."""
    gap = found.choice.chosen.score - found.choice.chosen.nested
    return (
        f"the CV is {_among(found)}, scored on the clips it was chosen on:\n"
        f"{beside(gap)} the nested estimate, chosen without the fold it is scored on"
    )


def _among(found: SelectionReport) -> str:
    """Return among how many blends the taken one has the highest CV: by the nested estimate, those of its size."""
    settings, blend = found.settings, found.choice.chosen.blend
    if settings.search != "enumerate":
        return "the best that was found"
    if settings.by == "cv":
        return _best_of(found.choice.subsets, "subset")
    size = len(blend.members)
    subsets = count_subsets(len(found.pool), Limits(size, size, settings.limits.must))
    return f"{_best_of(subsets, f'{blend.method} mean')} of {count(size, 'member')}"


def _best_of(number: int, what: str) -> str:
    return f"that of the only {what}" if number == 1 else f"the best of {count(number, what)}"


def record_of(found: SelectionReport) -> SelectionRecord:
    """Return what is logged of a selection beside the ensemble's own numbers."""
    taken, settings = found.choice.chosen, found.settings
    limits = settings.limits
    return SelectionRecord(
        how=_how(found),
        gain="".join(_gain(found)),
        params={
            "select.search": settings.search,
            "select.by": settings.by,
            "select.methods": ", ".join(settings.methods),
            "select.smallest": limits.smallest,
            "select.largest": limits.largest or len(found.pool),
            "select.must": ", ".join(found.pool.names[one] for one in limits.must),
            "select.candidates": len(found.pool),
            "select.subsets": found.choice.subsets,
        },
        metrics={
            Metric.NESTED_LWLRAP: taken.nested,
            Metric.CV_LOW: found.interval.low,
            Metric.CV_HIGH: found.interval.high,
        },
        tables={"blends": found.blends, "candidates": _candidates(found)},
        figures=_figures(found),
        seed_spread=seed_spread(found.runs),
    )


def _table(
    pool: Pool, ways: Mapping[str, Selection], intervals: Sequence[Interval], settings: SelectionSettings
) -> pd.DataFrame:
    rows = [
        {
            "way": name,
            "members": ", ".join(_member_names(pool, one.blend)),
            "cv_lwlrap": one.score,
            "nested_lwlrap": one.nested,
            "low": interval.low,
            "high": interval.high,
        }
        for (name, one), interval in zip(ways.items(), intervals, strict=True)
    ]
    by = "nested_lwlrap" if settings.by == "nested" else "cv_lwlrap"
    return pd.DataFrame(rows).sort_values(by, ascending=False, kind="stable", ignore_index=True)


def _member_names(pool: Pool, blend: Blend) -> list[str]:
    """Return the names of a blend's members, with their weights where these are not all the same."""
    pairs = zip(blend.members, blend.weights, strict=True)
    equal = len(set(blend.weights)) == 1
    return [pool.names[one] if equal else f"{pool.names[one]} {weight:.3f}" for one, weight in pairs]


def _candidates(found: SelectionReport) -> pd.DataFrame:
    """Return a row a candidate: who it is, what it is worth alone, its weight, and how often it is chosen."""
    blend, seeds = found.choice.chosen.blend, seed_spread(found.runs)
    weights = dict(zip(blend.members, blend.weights, strict=True))
    return pd.DataFrame(
        {
            "name": found.pool.names,
            "run": [run.id for run in found.runs],
            "kind": [run.kind for run in found.runs],
            "cv_lwlrap": found.alone,
            "fold_lwlrap_std": [run.metrics.get(Metric.FOLD_STD) for run in found.runs],
            "seed_lwlrap_std": [seeds.get(run.id) for run in found.runs],
            "weight": [weights.get(one, 0.0) for one in range(len(found.pool))],
            "chosen": np.nan if found.shares is None else found.shares,
        }
    )


def _figures(found: SelectionReport) -> dict[str, Figure]:
    """Draw how alike candidates are and, where subsets were enumerated, score against size and what is chosen."""
    blend, pool = found.choice.chosen.blend, found.pool
    alike = pictures.correlations("how alike the candidates are", pool.names, correlation(pool))
    figures: dict[str, Figure] = {"candidates": alike}
    enumeration = found.choice.enumerations.get(blend.method)
    if enumeration is None or found.shares is None:
        return figures
    title = f"{blend.method} means of {len(pool)} candidates"
    ways = {size: f"{blend.method}, size {size}" for size in enumeration.by_size}
    # a candidate alone is the same by any mean, and was looked at by one of them
    for method, other in found.choice.enumerations.items():
        if 1 in other.by_size:
            ways[1] = f"{method}, size 1"
    rows = found.blends.set_index("way").loc[[ways[size] for size in sorted(ways)]]
    intervals = list(zip(rows["low"], rows["high"], strict=True))
    figures["sizes"] = pictures.score_by_size(
        title, sorted(ways), rows["cv_lwlrap"].tolist(), intervals, rows["nested_lwlrap"].tolist(), len(blend.members)
    )
    figures["chosen"] = pictures.chosen_share(title, pool.names, found.shares, blend.members)
    return figures


def _how(found: SelectionReport) -> str:
    settings, pool = found.settings, found.pool
    what = f"among {count(len(pool), 'candidate')} by the {'nested estimate' if settings.by == 'nested' else 'CV'}"
    stability = ""
    if found.shares is not None:
        shares = ", ".join(f"{pool.names[one]} {found.shares[one]:.0%}" for one in found.choice.chosen.blend.members)
        stability = f" Chosen anew on other draws of the clips, its members come again in: {shares}."
    twice = "; as the highest of several, the nested estimate flatters a little too" if settings.by == "nested" else ""
    return f"{what} ({settings.search}); {_flattery(found)}{twice}.{stability}"
