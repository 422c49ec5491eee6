"""Pictures of a run, drawn from arrays; each stands by itself.

Names that are too long for a picture lose their middle, and folds that a legend has no room for are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tagging.report.canvas import fitted, log_axis, picture
from tagging.report.wording import count

ROW = 0.22  # inches a bar: room for its label at 8 points
BAR = "#4c78a8"
MIN_ROWS = 4  # fewer bars stay as thin as these
NAME = 2.8  # inches for the name of a bar
NAME_SIZE = 8.0  # points
FOLDS_NAMED = 14  # in a legend as high as its axes


def learning_curves(experiment: str, histories: Mapping[int, pd.DataFrame | Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw loss, validation lwlrap and learning rate of all folds over the epochs.

    `histories` maps a fold to its epochs: `epoch`, `train_loss`, `val_loss`, `val_lwlrap` in 0..1 and
    `lr`. The best epoch of a fold, the first of the highest lwlrap, bears a ring. The legend names the first folds.
    """
    figure = picture(f"{experiment}: learning curves of {count(len(histories), 'fold')}", 10, 9)
    loss, lwlrap, rate = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1])
    tables = {fold: pd.DataFrame(histories[fold]) for fold in sorted(histories)}
    # a history of one epoch has no line to be seen
    alone = any(len(table) == 1 for table in tables.values())
    training: dict[str, Any] = {"linestyle": "--", "marker": "x" if alone else ""}
    validation: dict[str, Any] = {"linestyle": "-", "marker": "." if alone else ""}
    folds = []
    for index, (fold, table) in enumerate(tables.items()):
        colour = colormaps["tab10"](index % 10)
        best = table.iloc[int(table["val_lwlrap"].to_numpy().argmax())]
        name = f"fold {fold}: best {best['val_lwlrap']:.4f} at epoch {best['epoch']:.0f}"
        fold_style = {"data": table, "color": colour, "label": name}
        loss.plot("epoch", "train_loss", **fold_style, **training)
        loss.plot("epoch", "val_loss", **fold_style, **validation)
        lwlrap.plot("epoch", "val_lwlrap", **fold_style, **validation)
        lwlrap.plot(best["epoch"], best["val_lwlrap"], "o", color=colour, fillstyle="none", markersize=10)
        rate.plot("epoch", "lr", drawstyle="steps-post", **fold_style, **validation)
        folds.append(Line2D([], [], color=colour, marker="o", fillstyle="none", label=name))
    styles = (("training", training), ("validation", validation))
    _outer_legend(loss, [Line2D([], [], color="black", label=name, **style) for name, style in styles])
    if len(folds) > FOLDS_NAMED:
        more = Line2D([], [], linestyle="", label=f"and {count(len(folds) - FOLDS_NAMED, 'fold')} more")
        folds = [*folds[:FOLDS_NAMED], more]
    _outer_legend(lwlrap, folds)
    loss.set_ylabel("loss (cross-entropy)")
    lwlrap.set_ylabel("validation lwlrap, one crop a clip")
    rate.set(ylabel="learning rate", xlabel="epoch")
    log_axis(rate)
    rate.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (loss, lwlrap, rate):
        axes.grid(alpha=0.3)
    return figure


def class_lwlrap(
    experiment: str,
    on: str,
    classes: Sequence[str],
    lwlrap: NDArray[np.float64],
    counts: NDArray[np.int64],
    bounds: NDArray[np.float64] | None = None,
) -> Figure:
    """Draw the lwlrap of every class as a bar, the best on top.

    `on` says of which clips; `lwlrap` [C] in 0..1, NaN where no clip carries the class (listed last,
    without a bar); `counts` [C] clips that carry it; `bounds` [2, C] the ends of whiskers, if given. A
    line marks the classes' weighted mean, which is the overall lwlrap.
    """
    figure, axes = bar_picture(f"{experiment}: lwlrap of {count(len(classes), 'class')}, {on}", len(classes))
    order = np.argsort(-np.nan_to_num(lwlrap, nan=-1.0), kind="stable")
    values, clips = lwlrap[order], counts[order]
    axes.barh(np.arange(len(order)), np.nan_to_num(values), color=BAR)
    if bounds is not None:
        axes.hlines(np.arange(len(order)), *bounds[:, order], color="black", linewidth=1)
    # the numbers stand in a column of their own, where the line of the mean cannot cross them
    numbers = axes.secondary_yaxis("right")
    texts = ["no clip" if np.isnan(value) else f"{value:.3f}" for value in values]
    numbers.set_yticks(np.arange(len(order)), texts, fontsize=8)
    numbers.tick_params(length=0)
    named = [f"{fitted(classes[c], NAME, NAME_SIZE)} ({count(n, 'clip')})" for c, n in zip(order, clips, strict=True)]
    name_bars(axes, named)
    overall = float(np.nansum(lwlrap * counts) / counts[~np.isnan(lwlrap)].sum())
    line = axes.axvline(overall, color="black", linestyle="--", label=f"all labels: {overall:.4f}")
    axes.set_xlim(0, 1)
    axes.set_xlabel("lwlrap (1 = every label on top)")
    figure.legend(handles=[line], loc="outside lower center", frameon=False)
    return figure


def confusions(experiment: str, pairs: Sequence[tuple[str, str, int]]) -> Figure:
    """Draw how often a wrong class was scored above a label, the most frequent pair on top.

    `pairs` are (true class, wrong class, number of labels), drawn in the order given.
    """
    figure, axes = bar_picture(f"{experiment}: most confused classes, out of fold", len(pairs))
    if not pairs:
        axes.text(0.5, 0.5, "no label was outranked", transform=axes.transAxes, ha="center", va="center")
        axes.set_axis_off()
        return figure
    bars = axes.barh(np.arange(len(pairs)), [number for _, _, number in pairs], color=BAR)
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("labels that a wrong class was scored above", loc="right")  # it may be wider than the axes
    axes.set_ylabel("true → wrong class")
    named = [[fitted(name, NAME, NAME_SIZE) for name in pair] for *pair, _ in pairs]
    name_bars(axes, [" → ".join(pair) for pair in named])
    return figure


def _outer_legend(axes: Axes, entries: Sequence[Line2D]) -> None:
    """Put the legend beside the axes, where it cannot cover a curve."""
    axes.legend(handles=entries, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


def bar_picture(title: str, bars: int) -> tuple[Figure, Axes]:
    """Return a figure and axes high enough for `bars` labelled bars."""
    figure = picture(title, 9, 1.6 + ROW * max(bars, MIN_ROWS))
    axes = figure.subplots()
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes


def name_bars(axes: Axes, names: Sequence[str]) -> None:
    """Write the bars' names at their feet, the first bar on top."""
    axes.set_yticks(np.arange(len(names)), names, fontsize=NAME_SIZE)
    axes.set_ylim(max(len(names), MIN_ROWS) - 0.4, -0.6)
