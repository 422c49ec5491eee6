"""Scores against true labels, by group and by class, with intervals over clips; the picture of CV against test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tagging.metrics import accuracy, bootstrap_lwlrap, interval, is_single_label, lwlrap, lwlrap_per_class
from tagging.report.canvas import fitted, picture
from tagging.report.figures import NAME, NAME_SIZE, ROW
from tagging.report.tables import per_class_table
from tagging.report.wording import count

ALL = "all"
SAMPLES = 1000  # of the bootstrap
PANEL = 4.5  # inches a panel
Groups = Mapping[str, NDArray[np.bool_]]


def score_table(
    truth: NDArray[np.float32], scores: NDArray[np.floating], groups: Groups, generator: np.random.Generator
) -> pd.DataFrame:
    """Return a row for all clips, then one a group.

    truth [N, C] 0/1 with a label a clip, scores [N, C], `groups` masks [N]. Columns: `group`, `clips`, `lwlrap` in
    0..1, `lwlrap_low` and `lwlrap_high` (a 95 % percentile interval of the bootstrap over clips, NaN for one clip), and
    `accuracy` where every clip has one label. Raises ValueError as `tagging.metrics.lwlrap` does.
    """
    rows = []
    for name, mask in {ALL: np.ones(len(truth), bool), **groups}.items():
        samples, _ = bootstrap_lwlrap(truth[mask], scores[mask], SAMPLES, generator)
        # one clip drawn again and again would look like certainty
        low, high = interval(samples) if mask.sum() > 1 else (np.nan, np.nan)
        row = {"group": name, "clips": mask.sum(), "lwlrap": lwlrap(truth[mask], scores[mask])}
        row |= {"lwlrap_low": low, "lwlrap_high": high}
        if is_single_label(truth):
            row["accuracy"] = accuracy(truth[mask], scores[mask])
        rows.append(row)
    return pd.DataFrame(rows)


def class_table(
    classes: Sequence[str],
    truth: NDArray[np.float32],
    scores: NDArray[np.floating],
    groups: Groups,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Return a row a class: the columns of `per_class_table`, an interval, and clips and lwlrap in each group.

    Arguments as `score_table`. The columns besides: `lwlrap_low`, `lwlrap_high`, and for a group `clips_in_GROUP` and
    `lwlrap_in_GROUP`; NaN where no clip carries the class, an interval also where only one does.
    """
    table = per_class_table(classes, truth, scores)
    _, samples = bootstrap_lwlrap(truth, scores, SAMPLES, generator)
    table["lwlrap_low"], table["lwlrap_high"] = np.where(table["clips"] > 1, interval(samples), np.nan)
    for name, mask in groups.items():
        table[f"clips_in_{name}"] = truth[mask].sum(axis=0).astype(np.int64)
        table[f"lwlrap_in_{name}"] = lwlrap_per_class(truth[mask], scores[mask])[0]
    return table


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's correlation of two rows of numbers; NaN for fewer than three, or where one row is constant."""
    return float(pd.DataFrame({"first": first, "second": second}).corr("spearman", min_periods=3).to_numpy()[0, 1])


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
    spearman = "" if pd.isna(correlation) else f"\nSpearman {correlation:.2f}"
    axes.set_title(f"{rows[0]['group']}: {count(int(rows[0]['clips']), 'clip')}{spearman}", fontsize=10)
    axes.set(xlabel="CV lwlrap ± one std over folds", ylabel="test lwlrap, 95 % interval over clips")
    axes.grid(alpha=0.3)
