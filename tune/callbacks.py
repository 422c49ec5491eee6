"""What the driver does while trials run: shows them, and ends their runs as what they are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial

from tagging.contract import File, Kind, Metric, Tag
from tagging.report.wording import count
from tagging.tracking.place import work_folder
from tagging.tracking.store import Ending, Store
from tune.front import front
from tune.records import kind_of_error, ranked, records
from tune.schema import Space
from tune.screen import Screen

LONGEST_TAG = 500


class Closing(Callback):
    """Ends the run of every trial, and of its folds, from the driver: a worker may be gone by then.

    Ray promises no order of what it tells: a worker may die before its trial started, and a trial may end twice.
    """

    def __init__(self, store: Store, sweep_id: str, space: Space, screen: Screen, failures: AlikeFailures) -> None:
        self._store, self._sweep_id, self._space, self._screen = store, sweep_id, space, screen
        self._failures = failures

    def __getstate__(self) -> dict[str, Any]:
        """Hand Ray's own record of the sweep nothing: it is scratch."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """Show that a trial begins."""
        self._screen.started(trial.config["number"], trial.config["values"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: Mapping[str, Any], **_: Any
    ) -> None:
        """Show an epoch."""
        if "lwlrap" in result:
            self._screen.epoch(trial.config["number"], result["epochs"], result["lwlrap"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """End a trial that came to its end, was stopped for others, failed, or was broken off by the machine."""
        result = trial.last_result or {}
        if "error" in result:
            state: Ending = "KILLED" if result["broken_off"] else "FAILED"
            self._end(trial, state, state, result["error"])
        elif result.get("whole"):
            self._end(trial, "FINISHED", "FINISHED")
        elif "epochs" in result:
            self._end(trial, "KILLED", "PRUNED")
        else:  # stopped before its first epoch, when no scheduler could have judged it
            self._end(trial, "KILLED", "KILLED")

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """Show that a trial's worker died, and that another goes on with it."""
        self._screen.lost(trial.config["number"])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """End a trial whose worker died as often as was borne; when the sweep goes on, it does."""
        self._end(trial, "KILLED", "KILLED", "the worker process died; was there memory enough?")

    def _end(self, trial: Trial, status: Ending, state: str, error: str = "") -> None:
        number, result = trial.config["number"], trial.last_result or {}
        if state == "PRUNED":
            metrics = {Metric.TRIAL_EPOCHS: result["epochs"], Metric.TRIAL_SECONDS: result["seconds"]}
            tags = {Tag.STATE: state, Tag.NOTE: _why_pruned(result["epochs"])}
            end_trial(self._store, self._sweep_id, number, status, tags, metrics)
        else:
            tags = {Tag.ERROR: error[:LONGEST_TAG]} if error else {}
            end_trial(self._store, self._sweep_id, number, status, tags, {})
        drop_checkpoints(self._store, self._sweep_id, self._space.keep, self._space.objectives)
        self._failures.ended(number, error)
        self._screen.ended(number, state, result.get("lwlrap"), error)


def _why_pruned(epochs: int) -> str:
    return (
        f"Pruned: the sweep's scheduler stopped this trial after {count(epochs, 'epoch')}, since others were ahead of "
        "it by then. Nothing failed; MLflow calls whatever is stopped *Killed*."
    )


def end_trial(
    store: Store,
    sweep_id: str,
    number: int | None,
    status: Ending,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
) -> None:
    """End the run of a trial (None: of all that still run) and those of its folds that still run."""
    for run in store.children(sweep_id, Kind.TRIAL):
        if number is not None and run.tags.get(Tag.TRIAL_NUMBER) != str(number):
            continue
        if number is None and run.status != "RUNNING":
            continue
        for fold in store.children(run.id):
            if fold.status == "RUNNING":
                store.finish(fold.id, "KILLED")
        store.set_tags(run.id, tags)
        store.log_metrics(run.id, metrics)
        store.finish(run.id, status)


def drop_checkpoints(store: Store, sweep_id: str, keep: int, objectives: Sequence[str] = ("lwlrap",)) -> None:
    """Remove the checkpoints of all ended trials but the best `keep` finished ones; predictions stay.

    Those on the front of several `objectives` keep theirs too: they are what was searched for.
    """
    trials = records(store, store.get(sweep_id))
    kept = ranked(trials)[:keep] + (front(trials, objectives) if len(objectives) > 1 else [])
    for trial in [trial for trial in trials if not trial.broken_off and trial not in kept]:
        run = store.get(trial.run_id)
        if Tag.CHECKPOINTS not in run.tags:
            for fold in store.children(run.id):
                store.drop_folder(fold.id, File.CHECKPOINTS)
                shutil.rmtree(work_folder() / fold.id, ignore_errors=True)
            store.set_tags(run.id, {Tag.CHECKPOINTS: "dropped"})


class AlikeFailures(Stopper):
    """Ends a sweep when `most` trials in a row failed or were broken off alike; `error` then holds the words."""

    def __init__(self, most: int = 5) -> None:
        self._most = most
        self._alike = 0
        self._last = ""
        self.error = ""
        self.errors: dict[int, str] = {}  # of trials by number, the last one last

    def ended(self, number: int, error: str) -> None:
        """Count the end of a trial, by an error or, where that is empty, without one."""
        if error:
            self.errors[number] = error
        kind = kind_of_error(error)
        self._alike = self._alike + 1 if kind == self._last else 1
        self._last = kind
        if error and self._alike >= self._most:
            self.error = error

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Never stop a trial itself."""
        return False

    def stop_all(self) -> bool:
        """Say whether the sweep is to end."""
        return bool(self.error)
