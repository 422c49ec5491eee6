"""The texts of a selection report: on the screen, and on the page of the ensemble's run."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tagging.contract import Metric
from tagging.ensemble.subsets import Limits, count_subsets
from tagging.progress import say, warn
from tagging.report.wording import beside, count
from tagging.selection.candidates import seed_spread
from tagging.selection.ensemble_run import SelectionRecord
from tagging.selection.report import SelectionReport

SHOWN = 10  # rows of the table


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
    metrics = {Metric.NESTED_LWLRAP: report.choice.chosen.nested, Metric.CV_LOW: report.interval.low}
    return SelectionRecord(
        how=_how(report),
        gain=gain(report),
        params=report.params(),
        metrics={**metrics, Metric.CV_HIGH: report.interval.high},
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
