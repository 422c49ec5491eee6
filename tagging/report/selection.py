"""Pictures of a selection: how the score depends on size, how alike candidates are, what is chosen how often."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tagging.report.canvas import fitted, picture
from tagging.report.figures import BAR, MIN_ROWS, NAME, NAME_SIZE, ROW, bar_picture, name_bars
from tagging.report.wording import count

NESTED = "#e45756"
OTHER = "#c7c7c7"
CELL = 0.5  # inches a cell: room for its number at 8 points
NUMBERED = 30  # candidates whose matrix has numbers: a picture of more could not be seen at once


def score_by_size(
    title: str,
    sizes: Sequence[int],
    scores: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    nested: Sequence[float],
    chosen: int | None = None,
) -> Figure:
    """Draw the best CV lwlrap of every size with its bootstrap interval, and the nested estimate of that size.

    All in 0..1, one a size; `chosen` is the size that was taken, marked by a line.
    """
    figure = picture(f"{title}: the best blend of each size", 10, 5.5)
    axes = figure.subplots()
    low, high = np.transpose(intervals)
    # an interval need not hold its score in the middle, nor, in few samples, at all
    axes.vlines(sizes, low, high, color=BAR, alpha=0.5, linewidth=5, label="95 % of bootstrap samples of clips")
    axes.plot(sizes, scores, "o-", color=BAR, label="CV lwlrap, chosen and scored on the same clips")
    axes.plot(sizes, nested, "s--", color=NESTED, label="nested estimate, chosen without the fold it is scored on")
    if chosen is not None:
        axes.axvline(chosen, color="black", linestyle=":", label=f"chosen: {count(chosen, 'member')}")
    axes.set_xlabel("members")
    axes.set_ylabel("lwlrap")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(x=0.08)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def correlations(title: str, names: Sequence[str], values: NDArray[np.float64]) -> Figure:
    """Draw the rank correlation [N, N] of each two candidates as a matrix, with its numbers where they are not many.

    NaN stays white. The colours span the values beside the diagonal, since those of good candidates differ little.
    """
    numbered = len(names) <= NUMBERED
    side = (CELL if numbered else ROW) * max(len(names), MIN_ROWS)
    short = [fitted(name, NAME, NAME_SIZE) for name in names]
    figure = picture(f"{title}: rank correlation of the candidates' probabilities", 4.5 + side, 3.5 + side)
    axes = figure.subplots()
    between = values[~np.eye(len(names), dtype=bool)]
    known = between[~np.isnan(between)]
    low = float(known.min()) if len(known) else 0.0
    shown = np.where(np.eye(len(names), dtype=bool), np.nan, values)
    image = axes.imshow(shown, cmap=mpl.colormaps["viridis"], vmin=low, vmax=1)
    for (row, column), value in np.ndenumerate(shown):
        if numbered and not np.isnan(value):
            ink = "black" if value > (low + 1) / 2 else "white"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(np.arange(len(names)), short, fontsize=NAME_SIZE, rotation=90)
    axes.set_yticks(np.arange(len(names)), short, fontsize=NAME_SIZE)
    figure.colorbar(image, ax=axes, label="Spearman's rank correlation", shrink=0.8)
    return figure


def chosen_share(title: str, names: Sequence[str], shares: NDArray[np.float64], members: Collection[int]) -> Figure:
    """Draw in what share [N] of the bootstrap samples each candidate was chosen, the most frequent on top.

    `members` are the positions of those that the blend holds, which stand out.
    """
    figure, axes = bar_picture(f"{title}: how often each candidate is chosen", len(names))
    order = np.argsort(-shares, kind="stable")
    bars = axes.barh(np.arange(len(order)), 100 * shares[order], color=[BAR if c in members else OTHER for c in order])
    axes.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=8)
    name_bars(axes, [fitted(names[index], NAME, NAME_SIZE) for index in order])
    axes.set_xlim(0, 110)
    # at the right, since it may be wider than the axes
    axes.set_xlabel("bootstrap samples of clips on which it is in the best blend, in %", loc="right")
    kinds = [Patch(color=BAR, label="in the blend"), Patch(color=OTHER, label="not in the blend")]
    figure.legend(handles=kinds, loc="outside lower center", ncols=2, frameon=False)
    return figure
