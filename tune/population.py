"""Population based training: Ray's scheduler, with exchanges that follow from the seed and are kept in the store."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import PopulationBasedTraining, TrialScheduler

from tagging import seeds
from tune.schema import Choice, Int, Pbt, Space
from tune.searcher import drawn
from tune.space import distributions, searched

Values = dict[str, Any]
Exchange = Callable[[int, int, int, Values], None]  # trial, whose weights it takes, after which epoch, its new values
_FACTORS = (0.8, 1.2)  # of the paper


class Population(PopulationBasedTraining):
    """Lets all trials come to the same epoch before they exchange weights, so that exchanges depend on scores alone.

    `last_epoch` is after which no exchange is worth while. `exchanged` is after which the last one is over, where the
    sweep goes on. `exchange` is called for each trial that takes over, before it trains on.
    """

    def __init__(self, space: Space, settings: Pbt, last_epoch: int, exchanged: int, exchange: Exchange) -> None:
        super().__init__(
            time_attr="epochs",
            perturbation_interval=settings.interval,
            quantile_fraction=settings.share,
            custom_explore_fn=dict,  # never called; Ray wants it, or mutations of its own
            log_config=False,
            synch=True,
        )
        self._space, self._settings = space, settings
        self._last_epoch, self._exchange = last_epoch, exchange
        self._exchanged = exchanged
        self._next_perturbation_sync = exchanged + settings.interval

    def __getstate__(self) -> dict[str, Any]:
        """Hand Ray's own record of the sweep nothing: it is scratch."""
        return {}

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take a trial in, with what was exchanged before the sweep was broken off."""
        super().on_trial_add(tune_controller, trial)
        self._trial_state[trial].last_perturbation_time = self._exchanged

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Let a trial train on, or wait for the others and exchange."""
        if result["epochs"] >= self._last_epoch:
            return TrialScheduler.CONTINUE
        # Ray draws whose weights are taken from Python's own generator
        random.seed(seeds.derive(self._space.seed, result["epochs"], "exchange"))
        return str(super().on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Go on without a trial that ended."""
        self._wait_for_nobody(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Go on without a trial that failed."""
        self._wait_for_nobody(tune_controller, trial)

    def _wait_for_nobody(self, tune_controller: Any, gone: Trial) -> None:
        """Have an exchange come about that waited for this trial alone: Ray would wait for ever."""
        left = [self._trial_state[trial] for trial in tune_controller.get_live_trials() if trial is not gone]
        if left and all(state.last_train_time >= self._next_perturbation_sync for state in left):
            # Ray exchanges on a report only: one of them goes on, says again where it was, and is the last to come
            left[0].last_train_time = self._exchanged

    def _get_new_config(self, trial: Trial, trial_to_clone: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the config with which a trial goes on from another one's weights, and no words for Ray's log."""
        number, donor = trial.config["number"], trial_to_clone.config["number"]
        epoch = self._trial_state[trial_to_clone].last_train_time
        seed = seeds.derive(self._space.seed, number, epoch, "explore")
        values = explored(self._space, trial_to_clone.config["values"], self._settings.resample, seed)
        self._exchange(number, donor, epoch, values)
        return {**trial.config, "values": values}, {}


def explored(space: Space, values: Mapping[str, Any], resample: float, seed: int) -> Values:
    """Return values near these: each is drawn anew with probability `resample`, else moved by a fifth either way.

    Moved values stay in their ranges; whole numbers move by a step at least, choices to a neighbour. A function of
    its arguments.
    """
    generator = np.random.default_rng(seed)
    fresh = drawn(distributions(space), seed)
    new: Values = {}
    for path, bounds in searched(space).items():
        anew, up = generator.random() < resample, bool(generator.random() < 0.5)
        if anew:
            new[path] = fresh[path]
        elif isinstance(bounds, Choice):
            place = bounds.told.index(values[path]) + (1 if up else -1)
            new[path] = bounds.told[min(max(place, 0), len(bounds.told) - 1)]
        elif isinstance(bounds, Int):
            steps = max(1, round(abs(values[path]) * (_FACTORS[1] - 1) / bounds.step))
            moved = values[path] + (steps if up else -steps) * bounds.step
            new[path] = min(max(moved, bounds.low), bounds.high)
        else:
            new[path] = min(max(values[path] * _FACTORS[up], bounds.low), bounds.high)
    return new
