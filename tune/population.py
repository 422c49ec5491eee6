"""Population based training: Ray's scheduler, with exchanges that follow from the seed and are kept in the store."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import PopulationBasedTraining, TrialScheduler

from tagging import seeds
from tagging.contract import File, Kind, Tag
from tagging.errors import UserError
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tune.records import TrialRecord, chosen_values
from tune.schema import Choice, Int, Pbt, Space
from tune.session import Unsaved
from tune.space import distributions, searched
from tune.study import drawn

if TYPE_CHECKING:
    from tagging.training.checkpoint import Checkpoints

Values = dict[str, Any]
Exchange = Callable[[int, int, int, Values], None]  # trial, donor of the weights, after which epoch, the new values
_FACTORS = (0.8, 1.2)  # of the paper


class Population(Unsaved, PopulationBasedTraining):
    """Trains all trials to the same epoch before they exchange weights, so that exchanges depend on scores alone.

    No exchange takes place at or after `last_epoch`. A sweep that is resumed continues after the exchange at the epoch
    `exchanged` (0: none). `exchange` is called for each trial that takes over weights, before it trains on.
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

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Add a trial, which continues after the last exchange of an earlier start."""
        super().on_trial_add(tune_controller, trial)
        self._trial_state[trial].last_perturbation_time = self._exchanged

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Let a trial train on, or wait for the others and exchange."""
        if result["epochs"] >= self._last_epoch:
            return TrialScheduler.CONTINUE
        # Ray draws the donor of the weights from Python's own generator
        random.seed(seeds.derive(self._space.seed, result["epochs"], "exchange"))
        return str(super().on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Continue without a trial that ended; start an exchange for which it alone was missing: Ray would wait."""
        left = [self._trial_state[other] for other in tune_controller.get_live_trials() if other is not trial]
        if left and all(state.last_train_time >= self._next_perturbation_sync for state in left):
            # Ray exchanges when a trial reports; this one runs again, reports the same epoch, and arrives last
            left[0].last_train_time = self._exchanged

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Continue without a trial that failed."""
        self.on_trial_complete(tune_controller, trial, {})

    def _get_new_config(self, trial: Trial, trial_to_clone: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the config of a trial that takes over another one's weights, and an empty text for Ray's log."""
        number, donor = trial.config["number"], trial_to_clone.config["number"]
        epoch = self._trial_state[trial_to_clone].last_train_time
        seed = seeds.derive(self._space.seed, number, epoch, "explore")
        values = explored(self._space, trial_to_clone.config["values"], self._settings.resample, seed)
        self._exchange(number, donor, epoch, values)
        return {**trial.config, "values": values}, {}


def explored(space: Space, values: Mapping[str, Any], resample: float, seed: int) -> Values:
    """Return values near these: each is drawn anew with probability `resample`, else moved by a fifth up or down.

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
            place = bounds.choices.index(values[path]) + (1 if up else -1)
            new[path] = bounds.choices[min(max(place, 0), len(bounds.choices) - 1)]
        elif isinstance(bounds, Int):
            steps = max(1, round(abs(values[path]) * (_FACTORS[1] - 1) / bounds.step))
            moved = values[path] + (steps if up else -steps) * bounds.step
            new[path] = min(max(moved, bounds.low), bounds.high)
        else:
            new[path] = min(max(values[path] * _FACTORS[up], bounds.low), bounds.high)
    return new


def take_over(store: Store, sweep_id: str, number: int, donor: int, epoch: int, tags: Mapping[str, str]) -> None:
    """Give a trial the weights that another one, the donor, has after `epoch`, and record it in the trial's run.

    `tags` are those of its new values. A second call changes nothing. Raises UserError where the checkpoint of one of
    the two is not on this machine.
    """
    runs = {run.number(Tag.TRIAL_NUMBER): run for run in store.children(sweep_id, Kind.TRIAL)}
    run = runs[number]
    own, donors = _checkpoints(store, run), _checkpoints(store, runs[donor])
    for folder in (own.folder, donors.folder):
        if not folder.is_dir():
            raise UserError(
                f"{folder} is missing: a population's weights pass from trial to trial on the machine that gave the "
                "command, which must share that folder with those that train (docs/cluster.md)"
            )
    entries = [entry for entry in schedule(store, run) if entry["after"] < epoch]
    entries.append({"after": epoch, "weights_of": donor, "values": json.loads(tags[Tag.TRIAL_VALUES])})
    store.log_json(run.id, entries, File.SCHEDULE)
    own.adopt(donors)
    store.set_tags(run.id, {**tags, Tag.TRIAL_EXCHANGES: len(entries) - 1})


def schedule(store: Store, run: Run) -> list[dict[str, Any]]:
    """Return the entries of a trial's schedule.json, in order.

    Of each, `values` hold after the epoch `after`, and the weights came from trial `weights_of` then. Without that
    file, the one entry holds the values with which the trial began.
    """
    if not store.has_file(run.id, File.SCHEDULE):
        return [{"after": 0, "weights_of": None, "values": chosen_values(run)}]
    with store.reading(run.id, File.SCHEDULE) as local:
        entries = json.loads(local.read_bytes())
        if not entries or not all(isinstance(entry["after"], int) and dict(entry["values"]) for entry in entries):
            raise ValueError("it holds no values by epoch")
    return list(entries)


def values_at(entries: Iterable[Mapping[str, Any]], epoch: int) -> dict[str, float]:
    """Return the values of an epoch, counted from 1, under the names of their metrics."""
    held = [entry["values"] for entry in entries if entry["after"] < epoch]
    return {f"value/{path}": float(value) for path, value in held[-1].items()}


def exchanged(store: Store, trials: Iterable[TrialRecord], interval: int, last_epoch: int) -> int:
    """Return the epoch of the last complete exchange of a population that is resumed; 0 without one.

    An exchange is complete where a trial trained on after it; any other is repeated, with the same result.
    """
    trials = list(trials)
    runs = [store.get(trial.run_id) for trial in trials if trial.interrupted]
    begun = [len(_checkpoints(store, run).history()) if store.children(run.id) else 0 for run in runs]
    final = max(last_epoch - 1, 0) // interval * interval
    # trials that trained on may have finished, and would be missing in a repeated exchange
    if begun and min(begun) >= final and any(trial.state == "FINISHED" for trial in trials):
        return final
    return max(max(begun, default=0) - 1, 0) // interval * interval


def _checkpoints(store: Store, trial: Run) -> Checkpoints:
    from tagging.training.checkpoint import Checkpoints  # with torch

    return Checkpoints(work_folder() / store.children(trial.id)[-1].id)  # a trial of a population has one fold
