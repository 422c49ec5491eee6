"""What the driver does while trials run: it shows them, ends their runs, and notices that Ray has died."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial

from tagging.contract import File, Kind, Metric, Tag
from tagging.tracking.place import work_folder
from tagging.tracking.store import Ending, Store
from tune.records import kind_of_error, ranked, records, trial_page
from tune.schema import Space
from tune.screen import Screen
from tune.session import Unsaved, answers
from tune.study import front

LONGEST_TAG = 500
_EVERY = 2.0  # seconds between two looks at Ray's processes
_PATIENCE = 6.0  # seconds without an answer of the head; Ray itself ends this process after 60


class Closing(Unsaved, Callback):
    """Ends the run of every trial, and of its folds, from the driver: a worker may be gone by then.

    Ray calls in any order: a worker may die before its trial started, and a trial may end twice.
    """

    def __init__(self, store: Store, sweep_id: str, space: Space, screen: Screen, failures: AlikeFailures) -> None:
        self._store, self._sweep_id, self._space, self._screen = store, sweep_id, space, screen
        self._failures = failures

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
        """End the run of a trial that finished, failed, or was stopped by the scheduler or the machine."""
        result = trial.last_result or {}
        if "error" in result:
            state: Ending = "KILLED" if result["interrupted"] else "FAILED"
            self._end(trial, state, state, result["error"])
        elif result.get("whole"):
            self._end(trial, "FINISHED", "FINISHED")
        elif "epochs" in result:
            self._end(trial, "KILLED", "PRUNED")
        else:  # stopped before its first epoch, so not by a scheduler
            self._end(trial, "KILLED", "KILLED")

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """Show that the worker of a trial died and another one continues it."""
        self._screen.lost(trial.config["number"])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """End the run of a trial with more than WORKER_DEATHS crashes as KILLED; `--resume` continues it."""
        self._end(trial, "KILLED", "KILLED", "the worker process died; was there memory enough?")

    def _end(self, trial: Trial, status: Ending, state: str, error: str = "") -> None:
        number, result = trial.config["number"], trial.last_result or {}
        tags, metrics = {Tag.ERROR: error[:LONGEST_TAG]} if error else {}, {}
        if state == "PRUNED":
            metrics = {Metric.TRIAL_EPOCHS: result["epochs"], Metric.TRIAL_SECONDS: result["seconds"]}
            tags = {Tag.STATE: state}
        end_trial(self._store, self._sweep_id, number, status, tags, metrics)
        drop_checkpoints(self._store, self._sweep_id, self._space.keep, self._space.objectives)
        self._failures.ended(number, error)
        self._screen.ended(number, state, result.get("lwlrap"), error)


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
        if run.status != "RUNNING" if number is None else run.tags.get(Tag.TRIAL_NUMBER) != str(number):
            continue
        for fold in store.children(run.id):
            if fold.status == "RUNNING":
                store.finish(fold.id, "KILLED")
        store.set_tags(run.id, tags)
        store.log_metrics(run.id, metrics)
        now = store.get(run.id)
        if Tag.CANDIDATE not in now.tags:  # a trial of all folds has the page of an experiment
            store.set_tags(run.id, {Tag.NOTE: trial_page(now, store.get(sweep_id), tags.get(Tag.STATE, status))})
        store.finish(run.id, status)


def drop_checkpoints(store: Store, sweep_id: str, keep: int, objectives: Sequence[str] = ("lwlrap",)) -> None:
    """Remove the checkpoints of ended trials but the best `keep` and those on the front of several `objectives`.

    Predictions stay.
    """
    trials = records(store, store.get(sweep_id))
    kept = ranked(trials)[:keep] + (front(trials, objectives) if len(objectives) > 1 else [])
    for trial in [trial for trial in trials if not trial.interrupted and trial not in kept]:
        run = store.get(trial.run_id)
        if Tag.CHECKPOINTS not in run.tags:
            for fold in store.children(run.id):
                store.drop_folder(fold.id, File.CHECKPOINTS)
                shutil.rmtree(work_folder() / fold.id, ignore_errors=True)
            store.set_tags(run.id, {Tag.CHECKPOINTS: "dropped"})


class AlikeFailures(Stopper):
    """Ends a sweep when `most` trials in a row ended with the same error, which `error` then holds."""

    def __init__(self, most: int = 5) -> None:
        self._kinds: deque[str] = deque(maxlen=most)
        self.error = ""
        self.errors: dict[int, str] = {}  # of trials by number, the last one last

    def ended(self, number: int, error: str) -> None:
        """Count the end of a trial; `error` is empty where it has none."""
        self._kinds.append(kind_of_error(error))
        if error:
            self.errors[number] = error
            if self._kinds.count(self._kinds[-1]) == self._kinds.maxlen:
                self.error = error

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Never stop a trial itself."""
        return False

    def stop_all(self) -> bool:
        """Tell whether the sweep is to end."""
        return bool(self.error)


class RayDied(BaseException):
    """Ray has died; the text says how to continue.

    No Exception: after one, Ray would first wait a minute for dead workers to clean up.
    """


class Watch(Unsaved, Callback):
    """Raises RayDied when the raylet of this machine or the head of the cluster is dead, for which Ray would wait.

    All trials are lost then, since Ray ties them to the driver's node. To be created within a session.
    """

    def __init__(self, sweep_id: str) -> None:
        self._sweep_id = sweep_id
        context = ray.get_runtime_context()
        self._node, self._head = context.get_node_id(), context.gcs_address
        self._next = self._answered = time.monotonic()

    def on_step_begin(self, iteration: int, trials: list[Trial], **_: Any) -> None:
        """Look, between two steps of the sweep."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        if not answers(self._head):  # without a head, ray.nodes() would answer after a minute
            if now - self._answered > _PATIENCE:
                raise self._died(f"Ray's head at {self._head} died")
            return
        self._answered = now
        if not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == self._node):
            raise self._died("Ray's raylet on this machine died")

    def _died(self, what: str) -> RayDied:
        return RayDied(
            f"{what}, and all trials with it (was there memory enough?); "
            f"`python -m tune search --resume {self._sweep_id[:8]}` continues the sweep"
        )
