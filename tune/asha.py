"""ASHA whose rungs are filled from the store when a sweep goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler

Curve = Mapping[int, float]  # epoch -> lwlrap


@dataclass(frozen=True)
class _Numbered:
    """All that Ray's scheduler asks of a trial, under a name that outlives Ray's own."""

    trial_id: str


class Asha(ASHAScheduler):
    """Asynchronous successive halving (Li et al. 2020) over `epochs`, which knows trials by their numbers in the sweep.

    `curves` are those of trials that an earlier start of the sweep has reported, by number: their rungs are what they
    were, and a trial that goes on is not judged again where it was.
    """

    def __init__(self, curves: Mapping[int, Curve], grace: int, reduction: int, most: int) -> None:
        super().__init__(time_attr="epochs", max_t=most, grace_period=grace, reduction_factor=reduction)
        self._curves = curves

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take from Ray what is compared, and report the earlier curves to itself."""
        taken: bool = super().set_search_properties(metric, mode, **spec)
        controller: Any = None  # which it does not ask for anything
        for number, curve in self._curves.items():
            earlier = _numbered(number)
            super().on_trial_add(controller, earlier)
            for epoch, score in sorted(curve.items()):
                super().on_trial_result(controller, earlier, {"epochs": epoch, metric: score})
        return taken

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Begin to look at a trial."""
        super().on_trial_add(tune_controller, _numbered(trial.config["number"]))

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Say whether a trial is to go on after an epoch."""
        decision: str = super().on_trial_result(tune_controller, _numbered(trial.config["number"]), result)
        return decision

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> None:
        """Take a trial's last report."""
        super().on_trial_complete(tune_controller, _numbered(trial.config["number"]), result)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Forget a trial that was stopped from elsewhere; what it reported stays."""
        super().on_trial_remove(tune_controller, _numbered(trial.config["number"]))


def _numbered(number: int) -> Any:
    return _Numbered(str(number))
