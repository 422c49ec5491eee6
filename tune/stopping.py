"""The schedulers that stop trials: Ray's, over planned epochs, and filled from the store when a sweep goes on.

A trial's **planned epoch** counts each fold before the one it is in with all the epochs it may have. So trials are
compared in the same fold and after as many epochs of it, though early stopping ends their folds at different ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

PLANNED = "planned"
Curve = Mapping[int, float]  # planned epoch -> lwlrap


@dataclass(frozen=True)
class _Numbered:
    """All that Ray's schedulers ask of a trial, under a name that outlives Ray's own."""

    trial_id: str


class _ByNumber(FIFOScheduler):
    """Knows trials by their numbers in the sweep, and begins with the `curves` that an earlier start reported.

    A trial that goes on is not judged again where it was. One whose fold ended early has, until that fold's planned
    end, the score that it had. None is stopped after the `last` of its planned epochs: it only has to predict.
    """

    def __init__(self, curves: Mapping[int, Curve], last: int, **settings: Any) -> None:
        super().__init__(time_attr=PLANNED, **settings)  # type: ignore[call-arg]  # of Ray's class after this one
        self._curves, self._last = curves, last
        self._told: dict[str, dict[str, Any]] = {}  # the last report of each trial

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take from Ray what is compared, and report the earlier curves to itself."""
        taken: bool = super().set_search_properties(metric, mode, **spec)
        controller: Any = None  # which neither scheduler asks for anything here
        for number, curve in self._curves.items():
            super().on_trial_add(controller, _numbered(number))
            for planned, score in sorted(curve.items()):
                for report in self._with_what_is_missing(_numbered(number), {PLANNED: planned, str(metric): score}):
                    self._remember(controller, _numbered(number), report)
        return taken

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Begin to look at a trial."""
        super().on_trial_add(tune_controller, _numbered(trial.config["number"]))

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Say whether a trial is to go on after an epoch."""
        one = _numbered(trial.config["number"])
        for report in self._with_what_is_missing(one, result):
            decision = super().on_trial_result(tune_controller, one, report)
            if decision == TrialScheduler.STOP and report[PLANNED] < self._last:
                return TrialScheduler.STOP
        return TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> None:
        """Take a trial's last report; that of one that failed says nothing that could be compared."""
        one = _numbered(trial.config["number"])
        if PLANNED not in result:
            self._forget(tune_controller, one)
            return
        *missing, last = self._with_what_is_missing(one, result) or [result]
        for report in missing:
            super().on_trial_result(tune_controller, one, report)
        super().on_trial_complete(tune_controller, one, last)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Forget a trial that was stopped from elsewhere; what it reported stays."""
        self._forget(tune_controller, _numbered(trial.config["number"]))

    def _remember(self, controller: Any, trial: Any, report: dict[str, Any]) -> None:
        """Take a report of an earlier start; what would follow from it was done then."""
        super().on_trial_result(controller, trial, report)

    def _forget(self, controller: Any, trial: Any) -> None:
        super().on_trial_remove(controller, trial)

    def _with_what_is_missing(self, trial: _Numbered, result: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a report after those of the planned epochs since the last one; none where it was reported before."""
        before = self._told.get(trial.trial_id)
        if before is not None and result[PLANNED] <= before[PLANNED]:
            return []
        self._told[trial.trial_id] = result
        if before is None:
            return [result]
        return [*({**before, PLANNED: epoch} for epoch in range(before[PLANNED] + 1, result[PLANNED])), result]


class Asha(_ByNumber, ASHAScheduler):
    """Asynchronous successive halving (Li et al. 2020); rungs are what they were in a sweep that goes on.

    `grace` planned epochs are the first rung, each next one is `reduction` times as many, up to `last`.
    """

    def __init__(self, curves: Mapping[int, Curve], last: int, grace: int, reduction: int) -> None:
        # where folds are known from the data alone, none may reach the first rung
        super().__init__(curves, last, max_t=max(last, grace) + 1, grace_period=grace, reduction_factor=reduction)


class Median(_ByNumber, MedianStoppingRule):
    """Stops a trial whose best is below the median of the others' means so far (Golovin et al. 2017, "Vizier").

    It stops none before `grace` planned epochs, and pauses none.
    """

    def __init__(self, curves: Mapping[int, Curve], last: int, grace: int) -> None:
        super().__init__(curves, last, grace_period=grace, min_time_slice=float("inf"))

    def _remember(self, controller: Any, trial: Any, report: dict[str, Any]) -> None:
        """Take a report of an earlier start in, and judge nothing."""
        MedianStoppingRule.on_trial_complete(self, controller, trial, report)

    def _forget(self, controller: Any, trial: Any) -> None:
        """Keep what a trial reported."""


def _numbered(number: int) -> Any:
    return _Numbered(str(number))
