"""The Pareto front of a sweep with several objectives: trials of which none is better in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna

from tagging.report.wording import count
from tune.records import TrialRecord
from tune.study import new_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_AXES = {"parameters": "parameters of the network", "seconds": "seconds of training, all folds"}


def front(trials: Sequence[TrialRecord], objectives: Sequence[str]) -> list[TrialRecord]:
    """Return the finished trials that no other beats in one objective without losing in another, the best lwlrap first.

    `objectives` are lwlrap (high is good), parameters and seconds (low is good).
    """
    study = new_study(objectives)
    finished = [trial for trial in trials if trial.state == "FINISHED" and trial.lwlrap is not None]
    for trial in finished:
        study.add_trial(optuna.create_trial(values=[float(getattr(trial, name)) for name in objectives]))
    chosen = [finished[best.number] for best in study.best_trials]
    return sorted(chosen, key=lambda trial: (-(trial.lwlrap or 0.0), trial.number))


def front_picture(sweep: str, trials: Sequence[TrialRecord], objectives: Sequence[str], cost: str) -> Figure:
    """Draw lwlrap against a cost (parameters or seconds), with the front's trials joined and numbered."""
    from tagging.report.canvas import picture
    from tagging.report.figures import BAR

    finished = [trial for trial in trials if trial.state == "FINISHED" and trial.lwlrap is not None]
    best = sorted(front(trials, objectives), key=lambda trial: getattr(trial, cost))
    figure = picture(f"{sweep}: lwlrap against {cost}, {count(len(finished), 'finished trial')}", 9, 5.5)
    axes = figure.subplots()
    label = f"front: no trial is better in {' and '.join(objectives)}"
    axes.plot(*_points(finished, cost), "o", color="#c0c0c0")
    axes.plot(*_points(best, cost), "o-", color=BAR, label=label)
    for trial, *place in zip(best, *_points(best, cost), strict=True):
        axes.annotate(str(trial.number), (place[0], place[1]), xytext=(6, -12), textcoords="offset points", fontsize=9)
    axes.set(xlabel=_AXES[cost], ylabel="lwlrap (search_lwlrap)")
    axes.margins(0.12)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False)
    return figure


def _points(trials: Sequence[TrialRecord], cost: str) -> tuple[list[float], list[float]]:
    return [float(getattr(trial, cost)) for trial in trials], [trial.lwlrap or 0.0 for trial in trials]
