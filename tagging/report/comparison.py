"""The picture of several runs: CV against test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tagging.report.canvas import fitted, picture
from tagging.report.evaluation import rank_correlation
from tagging.report.figures import NAME, NAME_SIZE, ROW
from tagging.report.wording import count

PANEL = 4.5  # inches a panel


@dataclass(frozen=True)
class Scored:
    """A run: its CV lwlrap, the standard deviation over its folds (each NaN if not known), and its `score_table`."""

    name: str
    id: str
    cv_lwlrap: float
    spread: float
    scores: pd.DataFrame


def cv_against_test(dataset: str, runs: Sequence[Scored]) -> Figure:
    """Draw the test lwlrap of runs over their CV lwlrap, a panel for all clips and one a group.

    All runs are scored in the same groups. Whiskers: one standard deviation over folds, and the interval over test
    clips. On a dashed line, where it comes near, both are equal. Spearman's rank correlation stands above each panel
    from three runs on.
    """
    groups = list(runs[0].scores["group"])
    lines = -(-len(runs) // len(groups))
    title = f"CV against test lwlrap of {count(len(runs), 'run')} of {dataset}"
    figure = picture(title, PANEL * len(groups) + 0.5, 5 + ROW * lines)
    for row, axes in enumerate(figure.subplots(1, len(groups), squeeze=False)[0]):
        _draw_group(axes, row, runs)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=len(groups), frameon=False, fontsize=NAME_SIZE)
    return figure


def _draw_group(axes: Axes, row: int, runs: Sequence[Scored]) -> None:
    rows = [run.scores.iloc[row] for run in runs]
    for number, (run, score) in enumerate(zip(runs, rows, strict=True), start=1):
        colour = colormaps["tab10"]((number - 1) % 10)
        reach = [[score["lwlrap"] - score["lwlrap_low"]], [score["lwlrap_high"] - score["lwlrap"]]]
        place, label = (run.cv_lwlrap, score["lwlrap"]), f"{number}: {fitted(run.name, NAME, NAME_SIZE)} ({run.id[:8]})"
        axes.errorbar(*place, reach, run.spread, "o", color=colour, elinewidth=0.8, label=label)
        # the names would cover each other, numbers do so less
        axes.annotate(str(number), place, (4, 4), textcoords="offset points", fontsize=9)
    near = axes.axis()  # the line would widen the picture by all that lies between it and the runs
    axes.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=0.8)
    axes.axis(near)
    correlation = rank_correlation([run.cv_lwlrap for run in runs], [score["lwlrap"] for score in rows])
    said = "" if pd.isna(correlation) else f"\nSpearman {correlation:.2f}"
    axes.set_title(f"{rows[0]['group']}: {count(int(rows[0]['clips']), 'clip')}{said}", fontsize=10)
    axes.set(xlabel="CV lwlrap ± one std over folds", ylabel="test lwlrap, 95 % interval over clips")
    axes.grid(alpha=0.3)
