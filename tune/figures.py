"""Pictures of a sweep, in each of which finished trials differ from stopped and failed ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from tagging.report.canvas import fitted, picture, wrapped
from tagging.report.figures import BAR, ROW
from tagging.report.wording import count
from tune.records import TrialRecord, best
from tune.scales import Scale, norm_of, number_ticks, scales
from tune.study import front, importance

SCORE = "lwlrap (search_lwlrap)"
PANELS = 4  # in a row
PANEL = 3.6  # inches
UPRIGHT = 1.7  # inches from one upright axis to the next
IN_LEGEND = 4  # entries in a line
# state: its name in a legend, and its marker
STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "FINISHED": ("finished", {"marker": "o", "color": BAR}),
    "PRUNED": ("pruned", {"marker": "x", "color": "#8c8c8c"}),
    "KILLED": ("interrupted", {"marker": "+", "color": "#b279a2"}),
    "RUNNING": ("running", {"marker": ">", "color": "#54a24b"}),
    "FAILED": ("failed", {"marker": "v", "color": "#e45756"}),
}
COSTS = {"parameters": "parameters of the network", "seconds": "seconds of training, all folds"}
RING: dict[str, Any] = {"marker": "o", "color": "black", "fillstyle": "none", "markersize": 12, "linestyle": ""}


def history(sweep: str, trials: Sequence[TrialRecord]) -> Figure:
    """Draw the score of every trial by its number, and the best finished one so far."""
    figure = picture(f"{sweep}: lwlrap of {count(len(trials), 'trial')}, and the best so far", 10, 5.5)
    axes = figure.subplots()
    for state, group in by_state(trials).items():
        scored = [trial for trial in group if trial.lwlrap is not None]
        axes.plot([trial.number for trial in scored], [_score(trial) for trial in scored], ls="", **STATES[state][1])
        if unscored := [trial.number for trial in group if trial.lwlrap is None]:
            foot = axes.get_xaxis_transform()  # whatever the scale
            axes.plot(unscored, [0.02] * len(unscored), ls="", transform=foot, **STATES[state][1])
    finished = [trial for trial in trials if trial.finished]
    entries = _state_entries(trials)
    if finished:
        tops = list(accumulate(map(_score, finished), max))
        # up to the last trial, even if that one was stopped
        numbers = [*(trial.number for trial in finished), trials[-1].number]
        entries += axes.step(numbers, [*tops, tops[-1]], where="post", color=BAR, label="best so far")
        entries += _ring(axes, trials, lambda trial: trial.number)
    _legend(figure, entries)
    foot_note = "; at the foot: without a score" if any(trial.lwlrap is None for trial in trials) else ""
    axes.set(xlabel=f"trial, in the order started{foot_note}", ylabel=SCORE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(y=0.12)
    axes.grid(alpha=0.3)
    return figure


def slices(sweep: str, trials: Sequence[TrialRecord], log_scaled: Collection[str]) -> Figure:
    """Draw the score against each searched field, one panel a field; fields of `log_scaled` on a logarithmic axis."""
    scored = [trial for trial in trials if trial.lwlrap is not None]
    drawn = scales(scored, log_scaled)
    columns = min(PANELS, len(drawn)) or 1
    rows = math.ceil(len(drawn) / columns) or 1
    figure = picture(f"{sweep}: lwlrap against each searched field", max(PANEL * columns, 9), 3.4 * rows + 1)
    if not drawn:
        _only_words(figure, "no trial has a score yet")
        return figure
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for index, (axes, scale) in enumerate(zip(panels, drawn, strict=False)):
        for state, group in by_state(scored).items():
            places = [scale.place(trial) for trial in group]
            axes.plot(places, [_score(trial) for trial in group], ls="", **STATES[state][1])
        rings = _ring(axes, scored, scale.place)
        _value_axis(axes, scale)
        axes.margins(y=0.12)
        axes.set_xlabel(wrapped(scale.name, PANEL - 0.8, 9), fontsize=9)
        axes.grid(alpha=0.3)
        if index % columns == 0:
            axes.set_ylabel(SCORE)
    for axes in panels[len(drawn) :]:
        axes.remove()
    _legend(figure, _state_entries(scored) + rings)
    return figure


def parallel_coordinates(sweep: str, trials: Sequence[TrialRecord], log_scaled: Collection[str]) -> Figure:
    """Draw each trial as a line through its values, with the score at the right end and as the line's colour.

    Pruned and failed trials are dashed and grey or red; the line of a trial without a score ends at its last value.
    """
    fields = scales(trials, log_scaled)
    title = f"{sweep}: what {count(len(trials), 'trial')} chose, and the lwlrap it led to"
    figure = picture(title, max(10.0, UPRIGHT * (len(fields) + 1) + 1.5), 6.8)
    axes = figure.subplots()
    scores = [trial.lwlrap for trial in trials if trial.lwlrap is not None]
    norm = norm_of(scores or [0, 1])
    finished = [_score(trial) for trial in trials if trial.finished]
    # the scores of pruned trials would leave the finished ones a small part of the colours
    colours = ScalarMappable(norm_of(finished or [0, 1]), colormaps["viridis_r"])
    top = best(trials)
    for trial in sorted(trials, key=lambda trial: (trial.state == "FINISHED", trial.lwlrap or 0)):
        heights = [scale.height(trial) for scale in fields]
        if trial.lwlrap is not None:
            heights.append(float(norm(trial.lwlrap)))
        axes.plot(range(len(heights)), heights, **_line(trial, colours, trial is top))
    for place, scale in enumerate(fields):
        _upright_axis(axes, place, [(float(scale.norm(tick)), text) for tick, text in scale.ticks()])
    _upright_axis(axes, len(fields), [(float(norm(tick)), text) for tick, text in number_ticks(norm, scores)])
    parts = [scale.name.replace(".", ".\n").replace(" (", "\n(").split("\n") for scale in fields]
    names = ["\n".join(fitted(part, UPRIGHT - 0.2, 9) for part in lines) for lines in parts]
    axes.set_xticks(range(len(names) + 1), [*names, SCORE.replace(" ", "\n")], fontsize=9)
    axes.set_yticks([])
    axes.set(xlim=(-0.15, len(fields) + 0.5), ylim=(-0.06, 1.06))
    axes.tick_params(length=0, pad=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if finished:
        bar = figure.colorbar(colours, ax=axes, label="lwlrap of a finished trial", fraction=0.02, pad=0.01)
        bar.ax.tick_params(labelsize=8)
    entries = [
        Line2D([], [], label=_state_label(state, group), **_line(group[-1], colours, False))
        for state, group in by_state(trials).items()
    ]
    if top:
        entries.append(Line2D([], [], label=_best_label(top), **_line(top, colours, True)))
    _legend(figure, entries)
    return figure


def importances(sweep: str, trials: Sequence[TrialRecord], log_scaled: Collection[str]) -> Figure:
    """Draw the share of each field in the variance of finished scores, by fANOVA, or why it is unknown."""
    finished = [trial for trial in trials if trial.finished]
    shares = importance(finished, log_scaled)
    figure = picture(f"{sweep}: importance of the searched fields", 9, 2 + 1.6 * ROW * max(len(shares), 4))
    if not shares:
        _only_words(
            figure,
            f"too few to tell: {count(len(finished), 'finished trial')}\n"
            "(two or more with different values and different lwlrap are needed)",
        )
        return figure
    axes = figure.subplots()
    bars = axes.barh(range(len(shares)), list(shares.values()), color=BAR)
    axes.bar_label(bars, [f"{share:.2f}" for share in shares.values()], padding=3, fontsize=9)
    axes.set_yticks(range(len(shares)), [fitted(field, 3, 9) for field in shares], fontsize=9)
    axes.set_ylim(max(len(shares), 4) - 0.4, -0.6)
    axes.set_xlim(0, max(shares.values()) * 1.1)
    axes.set_xlabel(
        f"share of the variance of lwlrap (fANOVA, {count(len(finished), 'finished trial')}"
        f"{': few, so a hint at most' if len(finished) < 10 * len(shares) else ''})",
        loc="right",  # the text may be wider than the axes
    )
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure


def front_picture(sweep: str, trials: Sequence[TrialRecord], objectives: Sequence[str], cost: str) -> Figure:
    """Draw lwlrap against a cost (parameters or seconds), with the trials of the front joined and numbered."""
    finished = [trial for trial in trials if trial.finished]
    best_trials = sorted(front(trials, objectives), key=lambda trial: getattr(trial, cost))
    figure = picture(f"{sweep}: lwlrap against {cost}, {count(len(finished), 'finished trial')}", 9, 5.5)
    axes = figure.subplots()
    label = f"front: no trial is better in {' and '.join(objectives)}"
    axes.plot([getattr(trial, cost) for trial in finished], list(map(_score, finished)), "o", color="#c0c0c0")
    axes.plot(
        [getattr(trial, cost) for trial in best_trials], list(map(_score, best_trials)), "o-", color=BAR, label=label
    )
    for trial in best_trials:
        place = (getattr(trial, cost), _score(trial))
        axes.annotate(str(trial.number), place, xytext=(6, -12), textcoords="offset points", fontsize=9)
    axes.set(xlabel=COSTS[cost], ylabel=SCORE)
    axes.margins(0.12)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False)
    return figure


def by_state(trials: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Return the trials of each state that any has."""
    groups = {state: [trial for trial in trials if trial.state == state] for state in STATES}
    return {state: group for state, group in groups.items() if group}


def _score(trial: TrialRecord) -> float:
    return math.nan if trial.lwlrap is None else trial.lwlrap


def _state_label(state: str, group: Sequence[TrialRecord]) -> str:
    return f"{STATES[state][0]} ({len(group)})"


def _state_entries(trials: Sequence[TrialRecord]) -> list[Line2D]:
    return [
        Line2D([], [], ls="", label=_state_label(state, group), **STATES[state][1])
        for state, group in by_state(trials).items()
    ]


def _best_label(top: TrialRecord) -> str:
    return f"best: trial {top.number}, {top.lwlrap:.4f}"


def _ring(axes: Axes, trials: Sequence[TrialRecord], place: Callable[[TrialRecord], float]) -> list[Line2D]:
    """Draw a ring round the best finished trial, if any has finished."""
    top = best(trials)
    return axes.plot(place(top), _score(top), label=_best_label(top), **RING) if top else []


def _line(trial: TrialRecord, colours: ScalarMappable, top: bool) -> dict[str, Any]:
    """Return the look of a trial's line: of a finished one by its score, of any other by its state."""
    if top:
        return {"color": "black", "linewidth": 3, "zorder": 3}
    if trial.finished:
        return {"color": colours.to_rgba(np.array([trial.lwlrap]))[0], "linewidth": 1.5}
    return {"color": STATES[trial.state][1]["color"], "linewidth": 1, "linestyle": "--", "alpha": 0.7}


def _value_axis(axes: Axes, scale: Scale) -> None:
    """Give the horizontal axis of a panel its scale and its ticks."""
    if scale.log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if scale.choices or scale.log:
        places, texts = zip(*scale.ticks(), strict=True)
        axes.set_xticks(places, texts, fontsize=8)
    else:
        whole = all(isinstance(number, int) for number in scale.numbers)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=whole, min_n_ticks=1))
        axes.tick_params(axis="x", labelsize=8)
    if scale.choices:
        axes.set_xlim(-0.5, len(scale.choices) - 0.5)


def _upright_axis(axes: Axes, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    """Draw one upright axis of parallel coordinates with texts beside its ticks, which lie in 0..1."""
    axes.axvline(place, 0.05, 0.95, color="black", linewidth=0.8, zorder=2)
    for height, text in ticks:
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
        axes.plot(place, height, marker="_", color="black", markersize=6, zorder=4)
        axes.text(place + 0.05, height, text, fontsize=8, va="center", bbox=box, zorder=4)


def _only_words(figure: Figure, text: str) -> None:
    axes = figure.subplots()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center")
    axes.set_axis_off()


def _legend(figure: Figure, entries: Sequence[Line2D]) -> None:
    """Put the legend under the axes, where it cannot cover a trial."""
    figure.legend(
        handles=entries, loc="outside lower center", ncols=min(max(len(entries), 1), IN_LEGEND), frameon=False
    )
