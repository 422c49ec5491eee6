"""The steps of a trial: its folds one after another, an epoch a step, each in its run."""

from __future__ import annotations

import socket
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from ray import tune

from tagging.config import Experiment
from tagging.contract import Kind, Metric, Tag
from tagging.errors import UserError, is_disk_full
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.job import Job
from tagging.jobs.prepare import job_of, prepare
from tagging.jobs.train import fold_run, identity_tags, is_lost, log_inputs
from tagging.jobs.tryout import check_user_files
from tagging.runs.finished import fold_runs
from tagging.tracking.epochs import EpochSender
from tagging.tracking.ownership import own
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store, StoreError
from tagging.training.checkpoint import Checkpoints
from tune.population import schedule, values_at
from tune.records import trial_page
from tune.schema import Report, SweepPlan
from tune.space import trial_experiment, value_tags
from tune.stopping import PLANNED

# seconds: a node that is cut off may train on until it finds out, and a file server keeps the locks of a dead one for
# a minute or two
UNTIL_FREE = 150.0


# the sections that decide what is prepared; which folds are trained is the same for all trials of a sweep
READ = ("data", "demo", "labels", "folds", "features", "sampling", "model")


class Preparing:
    """Prepares the experiments of the trials of one worker, one after another.

    One that agrees with the last in the sections READ gets the same clips, folds and map of the log-mels: to read the
    tables of 25,000 clips and to look at each file takes a second.
    """

    def __init__(self) -> None:
        self._last: ExperimentJob | None = None

    def __call__(self, experiment: Experiment) -> ExperimentJob:
        """Return what `tagging.jobs.prepare.prepare` does, with its errors."""
        last = self._last
        if last and all(getattr(experiment, name) == getattr(last.recipe, name) for name in READ):
            self._last = replace(last, recipe=experiment)
        else:
            self._last = prepare(experiment)
        return self._last


def trial_steps(plan: SweepPlan, number: int, values: Mapping[str, Any], preparing: Preparing) -> Generator[Report]:
    """Train the folds of a trial, from where an earlier start left them, and report each epoch."""
    store = Store.connect()
    job = job_of(trial_experiment(plan.space, values, plan.data), store, by=preparing)
    lock = f"{plan.sweep_id[:10]}-{number}"
    with own(lock, patience=UNTIL_FREE), ExitStack() as left:
        run = _trial_run(plan, number, values, job, lock, store)
        log_inputs(store, run, job)
        check_user_files(job.recipe)  # with this trial's values; once it has a run, which then fails
        job.begin(run, store)
        if job.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(job.device)  # of an earlier trial of this process
        in_population = plan.space.scheduler.kind == "pbt"
        scores = left.enter_context(_Scores(store, run, schedule(store, run) if in_population else ()))
        size = job.parameters() if "parameters" in plan.space.objectives else 0
        epochs = job.recipe.training.epochs
        draws = job.recipe.sampling.steps * job.recipe.sampling.batch_size  # of an epoch
        folds = fold_runs(store, run)
        for place, fold in enumerate(job.folds_to_run):
            scores.begin_after(place * epochs)
            before = folds.get(fold)
            trained = before is not None and before.status == "FINISHED"
            if not trained:
                if before is not None and is_lost(before):
                    raise UserError(_lost(number, fold, before))
                folds[fold] = fold_run(store, job, run, fold, before)
                # a rung sees again all epochs before an interruption; a population pauses trials and sees the last
                reported = len(Checkpoints(work_folder() / folds[fold].id).history()) if in_population else 0
                for record in job.fold_epochs(fold, folds[fold], run, store):
                    scores.add_epoch(fold, record.epoch, record.val_lwlrap, record.time_ms)
                    scores.seconds += draws / record.samples_per_s
                    if record.epoch >= reported:
                        yield scores.report()
            folds[fold] = store.get(folds[fold].id)
            if trained or not job.predicting_epoch:  # its epochs are not counted yet
                scores.add_fold(fold, folds[fold])
                scores.seconds += _trained_for(store, folds[fold], draws)
        from tagging.jobs.summary import summarise  # with Matplotlib, at the end of a trial

        summarise(job, run, folds, store)
        scores.close()
        numbers = {Metric.TRIAL_EPOCHS: scores.epochs, Metric.TRIAL_SECONDS: scores.seconds, "parameters": size}
        numbers[Metric.MEMORY_SHARE] = memory_share(job.device)
        store.log_metrics(run.id, {name: value for name, value in numbers.items() if value})
        scores.begin_after(len(job.folds_to_run) * epochs)
        yield {**scores.report(), "parameters": size, "whole": True, tune.result.DONE: True}


def _trained_for(store: Store, fold: Run, draws: int) -> float:
    """Return how many seconds a finished fold was trained for: the steps of epochs of so many draws, or one fit."""
    speeds = store.curve(fold.id, "samples_per_s").values()
    return fold.metrics.get("fit_seconds", 0.0) + sum(draws / speed for speed in speeds)


def _lost(number: int, fold: int, run: Run) -> str:
    return (
        f"trial {number} has epochs of fold {fold} in the store, but its checkpoint {work_folder() / run.id} is not on "
        f"{socket.gethostname()}: the machines of a cluster must share that folder (docs/cluster.md), and a trial "
        "whose checkpoint was removed cannot continue"
    )


def by_the_machine(error: Exception) -> bool:
    """Return whether a full disk or a failing store stopped a trial."""
    return is_disk_full(error) or any(isinstance(one, StoreError) for one in (error, error.__cause__))


def memory_share(device: torch.device) -> float:
    """Return the peak share of a GPU's memory since `torch.cuda.reset_peak_memory_stats`, 0..1; 0 on a CPU.

    It counts this process's pool, its context and libraries, and whatever else runs on the GPU: the trial that is
    measured must have the GPU alone.
    """
    if device.type != "cuda":
        return 0.0
    free, total = torch.cuda.mem_get_info(device)
    beside = total - free - torch.cuda.memory_reserved(device)
    return (torch.cuda.max_memory_reserved(device) + beside) / total


class _Scores:
    """The running mean over folds of the best val_lwlrap, which goes to the trial's run as a curve by planned epochs.

    So do the values of each epoch where a `schedule` changes them. As a context it has the store asked once more for
    what it did not take of a trial that was pruned, paused or failed: the next start of the sweep reads the curve.
    """

    def __init__(self, store: Store, run: Run, schedule: Sequence[Mapping[str, Any]]) -> None:
        self._hasty, self._run_id = store.impatient(), run.id
        self._schedule = schedule
        self._best: dict[int, float] = {}
        self._history: list[dict[str, float]] = []
        self._sender = EpochSender(store, run.id, work_folder())
        self._before = 0  # planned epochs of the folds before
        self._planned = 0
        self.epochs = 0
        self.seconds = 0.0

    def __enter__(self) -> _Scores:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(UserError):  # who pruned it waits for its worker
            self._hasty.log_epochs(self._run_id, self._history)
        self._sender.__exit__(*error)

    @property
    def mean(self) -> float:
        return sum(self._best.values()) / len(self._best)

    def report(self) -> Report:
        return {"lwlrap": self.mean, "epochs": self.epochs, PLANNED: self._planned, "seconds": self.seconds}

    def begin_after(self, planned: int) -> None:
        """Go to the end of the folds before, whenever they ended."""
        self._before = self._planned = planned

    def add_fold(self, fold: int, run: Run) -> None:
        self._best[fold] = run.score(Metric.BEST_VAL)
        self.epochs += int(run.metrics.get("epochs", 0))

    def add_epoch(self, fold: int, epoch: int, score: float, time_ms: int) -> None:
        self._best[fold] = max(score, self._best.get(fold, 0.0))
        self.epochs += 1
        self._planned = self._before + epoch
        # the time is the epoch's own, so that what is reported again after a kill is no second point
        record = {"epoch": self._planned, "time_ms": time_ms, Metric.SEARCH_LWLRAP: self.mean}
        if self._schedule:
            record |= values_at(self._schedule, epoch)
        self._history.append(record)
        self._sender.log_epoch(record)

    def close(self) -> None:
        self._sender.close(self._history)
        self._history.clear()  # the store has it


def _trial_run(plan: SweepPlan, number: int, values: Mapping[str, Any], job: Job, lock: str, store: Store) -> Run:
    for run in store.children(plan.sweep_id, Kind.TRIAL):
        if run.tags.get(Tag.TRIAL_NUMBER) == str(number):
            store.reopen(run.id)
            return _described(store, run, plan)
    tags = {
        **identity_tags(job),
        Tag.LOCK: lock,
        Tag.TRIAL_NUMBER: number,
        Tag.BASE: Path(plan.space.experiment).stem,
        **value_tags(plan.space, values),
    }
    name = f"{plan.sweep_name} {number}"
    return _described(store, store.start(job.dataset.name, Kind.TRIAL, name, tags, {}, plan.sweep_id), plan)


def _described(store: Store, run: Run, plan: SweepPlan) -> Run:
    store.set_tags(run.id, {Tag.NOTE: trial_page(run, store.get(plan.sweep_id), "RUNNING")})
    return run
