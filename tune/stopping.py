"""Schedulers that stop trials: Ray's, over planned epochs, and filled from the store when a sweep is resumed.

A trial's **planned epoch** is the epoch of its current fold plus, for each earlier fold, `training.epochs`. So trials
are compared in the same fold and after as many epochs of it, even where early stopping ended their earlier folds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from tune.schema import Asha, Median

PLANNED = "planned"
Curve = Mapping[int, float]  # planned epoch -> lwlrap


@dataclass(frozen=True)
class _Numbered:
    """All that Ray's schedulers ask of a trial; its id is its number, since Ray's own ids change when it is resumed."""

    trial_id: str


class _ByNumber(FIFOScheduler):
    """Knows trials by their numbers in the sweep, and begins with the `curves` of earlier starts.

    A trial that is resumed is not judged again at epochs that it reported before. After early stopping of a fold, its
    score holds until the fold's planned end. No trial is stopped after its `last` planned epoch: only its predictions
    are missing then.
    """

    def __init__(self, curves: Mapping[int, Curve], last: int, **settings: Any) -> None:
        super().__init__(time_attr=PLANNED, **settings)  # type: ignore[call-arg]  # of Ray's class after this one
        self._curves, self._last = curves, last
        self._reported: dict[str, dict[str, Any]] = {}  # the last report of each trial

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take metric and mode from Ray, and report the earlier curves to itself."""
        taken: bool = super().set_search_properties(metric, mode, **spec)
        controller: Any = None  # neither scheduler uses it here
        for number, curve in self._curves.items():
            super().on_trial_add(controller, _numbered(number))
            for planned, score in sorted(curve.items()):
                for report in self._filled(_numbered(number), {PLANNED: planned, str(metric): score}):
                    self._remember(controller, _numbered(number), report)
        return taken

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Add a trial."""
        super().on_trial_add(tune_controller, _numbered(trial.config["number"]))

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Decide whether a trial continues after an epoch."""
        one = _numbered(trial.config["number"])
        for report in self._filled(one, result):
            decision = super().on_trial_result(tune_controller, one, report)
            if decision == TrialScheduler.STOP and report[PLANNED] < self._last:
                return TrialScheduler.STOP
        return TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> None:
        """Take a trial's last report; that of a failed trial holds no score."""
        one = _numbered(trial.config["number"])
        if PLANNED not in result:
            self._forget(tune_controller, one)
            return
        *missing, last = self._filled(one, result) or [result]
        for report in missing:
            super().on_trial_result(tune_controller, one, report)
        super().on_trial_complete(tune_controller, one, last)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Remove a trial that somebody else stopped; its reports stay."""
        self._forget(tune_controller, _numbered(trial.config["number"]))

    def _remember(self, controller: Any, trial: Any, report: dict[str, Any]) -> None:
        """Take a report of an earlier start; its decision was carried out then."""
        super().on_trial_result(controller, trial, report)

    def _forget(self, controller: Any, trial: Any) -> None:
        super().on_trial_remove(controller, trial)

    def _filled(self, trial: _Numbered, result: dict[str, Any]) -> list[dict[str, Any]]:
        """Return reports of all planned epochs since the last report, up to this one; none for one that was there."""
        before = self._reported.get(trial.trial_id)
        if before is not None and result[PLANNED] <= before[PLANNED]:
            return []
        self._reported[trial.trial_id] = result
        if before is None:
            return [result]
        return [*({**before, PLANNED: epoch} for epoch in range(before[PLANNED] + 1, result[PLANNED])), result]


class AshaScheduler(_ByNumber, ASHAScheduler):
    """Asynchronous successive halving (Li et al. 2020); a sweep that is resumed has the same rungs.

    The first rung is at `grace` planned epochs, each next one at `reduction` times as many, up to `last`.
    """

    def __init__(self, curves: Mapping[int, Curve], last: int, settings: Asha) -> None:
        grace = settings.grace
        # where the data decide the number of folds, `last` may lie before the first rung
        longest = max(last, grace) + 1
        super().__init__(curves, last, max_t=longest, grace_period=grace, reduction_factor=settings.reduction)


class MedianScheduler(_ByNumber, MedianStoppingRule):
    """Stops a trial whose best is below the median of the others' means so far (Golovin et al. 2017, "Vizier").

    It stops none before `grace` planned epochs, and pauses none.
    """

    def __init__(self, curves: Mapping[int, Curve], last: int, settings: Median) -> None:
        super().__init__(curves, last, grace_period=settings.grace, min_time_slice=float("inf"))

    def _remember(self, controller: Any, trial: Any, report: dict[str, Any]) -> None:
        MedianStoppingRule.on_trial_complete(self, controller, trial, report)  # judges nothing

    def _forget(self, controller: Any, trial: Any) -> None:
        """Keep a trial's reports."""


# by kind in a space's file; each takes the curves so far by trial number, the last planned epoch, and its settings
SCHEDULERS: dict[str, Callable[[Mapping[int, Curve], int, Any], TrialScheduler]] = {
    "asha": AshaScheduler,
    "median": MedianScheduler,
}


def _numbered(number: int) -> Any:
    return _Numbered(str(number))
