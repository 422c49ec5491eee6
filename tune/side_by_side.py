"""The trials of a sweep, side by side in Ray: which values they have, what stops them, what they run on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tagging.contract import Metric
from tagging.errors import UserError
from tagging.jobs.folded import Folded
from tagging.signals import keeping_handlers
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tune.callbacks import AlikeFailures, Closing, end_trial
from tune.population import Population
from tune.records import TrialRecord, records
from tune.schedule import exchanged, take_over
from tune.schema import Space, SweepPlan
from tune.screen import Screen
from tune.searcher import StudySearcher
from tune.session import ray_session, trials_at_once
from tune.space import distributions, grid_points, trials_of, value_tags
from tune.stopping import Asha, Median
from tune.study import new_study
from tune.trial import CrossValidation
from tune.warm_start import Known, known_results
from tune.watch import RayDied, Watch

WORKER_DEATHS = 2  # that are borne a trial


@dataclass(frozen=True)
class Sweep:
    """A sweep under way: its run, its space, the data set's folder and the cluster's address where they are given."""

    run: Run
    space: Space
    data: Path | None
    address: str

    @property
    def wanted(self) -> int:
        """How many trials there are to be in all."""
        return trials_of(self.space)


def run_trials(store: Store, sweep: Sweep, prepared: Folded, failures: AlikeFailures, gpu: float, trials: int) -> None:
    """Run trials side by side, each on a share of a GPU, until there are so many."""
    space, run, cpu = sweep.space, sweep.run, sweep.space.resources.cpu
    earlier = records(store, run)
    if len(earlier) >= trials and not any(trial.broken_off for trial in earlier):
        return
    # a cluster has resources of its own, which are known once it is joined
    here = 0 if sweep.address else trials_at_once(cpu, gpu, space.resources.at_once)
    with ExitStack() as held:
        screen = held.enter_context(Screen(list(distributions(space)), sweep.wanted, earlier))
        screen.waits_for("the cluster" if sweep.address else "Ray to start")
        held.enter_context(ray_session(here * cpu, here * gpu, sweep.address))
        screen.waits_for("the first worker")
        at_once = here or trials_at_once(cpu, gpu, space.resources.at_once)
        values, config = _search(store, sweep, prepared, earlier, trials, at_once)
        tuner = tune.Tuner(
            tune.with_resources(CrossValidation, {"cpu": cpu, "gpu": gpu}),
            param_space=values,
            tune_config=config,
            run_config=tune.RunConfig(
                name="ray",
                storage_path=str(work_folder() / run.id),
                callbacks=[Closing(store, run.id, space, screen, failures), Watch(run.id)],
                stop=failures,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS),
                verbose=0,
            ),
        )
        try:
            with keeping_handlers():  # Tune puts two of its own in place, which only its loop listens to
                tuner.fit()
        except RayDied as died:
            raise UserError(str(died)) from None
        finally:
            end_trial(store, run.id, None, "KILLED", {}, {})


def _search(
    store: Store, sweep: Sweep, prepared: Folded, earlier: list[TrialRecord], trials: int, at_once: int
) -> tuple[dict[str, Any], tune.TuneConfig]:
    """Return what Ray is given of values, and how it searches."""
    space = sweep.space
    searcher = _searcher(store, sweep, prepared, earlier, trials)
    scheduler = _scheduler(store, sweep, prepared, earlier)
    how: dict[str, Any] = {"metric": "lwlrap", "mode": "max", "scheduler": scheduler, "reuse_actors": True}
    if space.scheduler.kind != "pbt":
        how |= {"search_alg": searcher, "num_samples": -1, "max_concurrent_trials": at_once}
        return {}, tune.TuneConfig(**how)
    # Ray's population takes no searcher, and is to know all of its trials, whatever runs at once
    population = {trial["number"]: trial for trial in searcher.all_that_is_left()}
    values = tune.sample_from(lambda config: population[config["number"]]["values"])
    plan = _plan(store, sweep)
    return {"plan": plan, "number": tune.grid_search(list(population)), "values": values}, tune.TuneConfig(**how)


def _plan(store: Store, sweep: Sweep) -> SweepPlan:
    return SweepPlan(sweep.run.id, sweep.run.name, sweep.space, sweep.data, store.uri)


def _searcher(store: Store, sweep: Sweep, prepared: Folded, earlier: list[TrialRecord], trials: int) -> StudySearcher:
    space, run = sweep.space, sweep.run
    known: Sequence[Known] = ()
    if space.searcher.kind == "tpe" and len(space.objectives) == 1:
        known = known_results(
            store, space, sweep.data, prepared.data_tags(), prepared.dataset.name, prepared.folds_to_run, run.id
        )
    # a population is drawn at once, and what it changes afterwards no study could hold
    folder = None if space.scheduler.kind == "pbt" else work_folder() / run.id
    return StudySearcher(
        plan=_plan(store, sweep),
        study=new_study(space.objectives, folder, run.name),
        searcher=space.searcher,
        distributions=distributions(space),
        trials=trials,
        seed=space.seed,
        objectives=space.objectives,
        earlier=earlier,
        known=known,
        grid=grid_points(space) if space.searcher.kind == "grid" else (),
    )


def _scheduler(store: Store, sweep: Sweep, prepared: Folded, earlier: list[TrialRecord]) -> TrialScheduler:
    space = sweep.space
    last = prepared.experiment.training.epochs * len(prepared.folds_to_run)
    settings = space.scheduler
    if settings.kind in ("asha", "median"):
        curves = {trial.number: store.curve(trial.run_id, Metric.SEARCH_LWLRAP) for trial in earlier}
        if settings.kind == "median":
            return Median(curves, last, settings.grace)
        return Asha(curves, last, settings.grace, settings.reduction)
    if settings.kind == "pbt":

        def exchange(number: int, donor: int, epoch: int, values: dict[str, Any]) -> None:
            take_over(store, sweep.run.id, number, donor, epoch, value_tags(space, values))

        return Population(space, settings, last, exchanged(store, earlier, settings.interval, last), exchange)
    return FIFOScheduler()
