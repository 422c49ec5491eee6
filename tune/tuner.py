"""The trials of a sweep, side by side in Ray: their values, their scheduler, their share of the machine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tagging.contract import Kind, Metric
from tagging.errors import UserError
from tagging.jobs.job import Job
from tagging.progress import say
from tagging.signals import keeping_handlers
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tune.callbacks import AlikeFailures, Closing, RayDied, Watch, end_trial
from tune.population import Population, exchanged, take_over
from tune.records import TrialRecord, records
from tune.schema import Pbt, Stopping, SweepPlan
from tune.screen import Screen
from tune.searcher import StudySearcher
from tune.session import ray_session, sees_gpu, trials_at_once
from tune.space import distributions, trials_of, value_tags
from tune.stopping import SCHEDULERS
from tune.study import new_study
from tune.trial import CrossValidation
from tune.warm_start import known_results

WORKER_DEATHS = 2  # after which a trial is still restarted
_USABLE = 0.95  # of a GPU's memory; allocators waste some of the rest


def run_all(store: Store, plan: SweepPlan, address: str, job: Job, failures: AlikeFailures) -> None:
    """Run the missing trials of a sweep; with `gpu: auto` one by itself first, which measures the share of a GPU.

    `address` is that of a Ray cluster, empty for this machine.
    """
    gpu, wanted = plan.space.resources.gpu, trials_of(plan.space)
    if gpu == "auto" and not sees_gpu():
        say("no GPU that torch sees: trials run on CPU cores")
        gpu = 0
    elif gpu == "auto":
        sweep = store.get(plan.sweep_id)
        if measured(store, sweep) is None:
            say("one trial has the GPU alone, to see how much of it a trial needs")
            _run_trials(store, plan, address, job, failures, 1, max(1, len(records(store, sweep))))
        memory = measured(store, sweep)
        say(share_text(memory))
        gpu = gpu_share(memory)
    _run_trials(store, plan, address, job, failures, gpu, wanted)


def measured(store: Store, sweep: Run) -> float | None:
    """Return the largest measured share of a GPU's memory, 0..1, of the sweep's trials; None without one."""
    trials = store.children(sweep.id, Kind.TRIAL)
    return max((run.metrics[Metric.MEMORY_SHARE] for run in trials if Metric.MEMORY_SHARE in run.metrics), default=None)


def gpu_share(memory: float | None) -> float:
    """Return a trial's share of a GPU (1/2: two trials share one), from its share of the memory.

    As many trials share a GPU as fit into its memory; a trial of unknown memory (None) has a GPU alone.
    """
    return 1.0 if memory is None else 1 / max(1, int(_USABLE / memory))


def share_text(memory: float | None) -> str:
    """Return the message on the share of a GPU; `memory` as for `gpu_share`."""
    if memory is None:
        return "the first trial did not finish, so nothing was measured: each trial has a GPU of its own"
    at_once = round(1 / gpu_share(memory))
    return f"a trial took {memory:.0%} of the GPU's memory: {at_once} at a time on each GPU from now on"


def _run_trials(
    store: Store, plan: SweepPlan, address: str, job: Job, failures: AlikeFailures, gpu: float, trials: int
) -> None:
    """Run trials side by side, each on a share of a GPU, until the sweep has so many."""
    space, cpu, at_once = plan.space, plan.space.resources.cpu, plan.space.resources.at_once
    earlier = records(store, store.get(plan.sweep_id))
    if len(earlier) >= trials and not any(trial.interrupted for trial in earlier):
        return
    # the resources of a cluster are known once it is joined
    here = 0 if address else trials_at_once(cpu, gpu, at_once)
    with ExitStack() as held:
        screen = held.enter_context(Screen(list(distributions(space)), trials_of(space), earlier))
        screen.waits_for("the cluster" if address else "Ray to start")
        held.enter_context(ray_session(here * cpu, here * gpu, address))
        screen.waits_for("the first worker")
        values, config = _search(store, plan, job, earlier, trials, here or trials_at_once(cpu, gpu, at_once))
        tuner = tune.Tuner(
            tune.with_resources(CrossValidation, {"cpu": cpu, "gpu": gpu}),
            param_space=values,
            tune_config=config,
            run_config=tune.RunConfig(
                name="ray",
                storage_path=str(work_folder() / plan.sweep_id),
                callbacks=[Closing(store, plan.sweep_id, space, screen, failures), Watch(plan.sweep_id)],
                stop=failures,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS),
                verbose=0,
            ),
        )
        try:
            with keeping_handlers():  # Tune installs two signal handlers of its own, which only its loop looks at
                tuner.fit()
        except RayDied as died:
            raise UserError(str(died)) from None
        finally:
            end_trial(store, plan.sweep_id, None, "KILLED", {}, {})


def _search(
    store: Store, plan: SweepPlan, job: Job, earlier: list[TrialRecord], trials: int, at_once: int
) -> tuple[dict[str, Any], tune.TuneConfig]:
    """Return Ray's param_space and its TuneConfig."""
    space = plan.space
    in_population = isinstance(space.scheduler, Pbt)
    known = []
    if space.searcher.learns and len(space.objectives) == 1:
        known = known_results(store, plan, job.data_tags(), job.dataset.name, job.folds_to_run)
    # a population is drawn at once, and no study could hold its later values
    study = new_study(space.objectives, None if in_population else work_folder() / plan.sweep_id, plan.sweep_name)
    searcher = StudySearcher(plan, study, trials, earlier, known)
    scheduler = _scheduler(store, plan, job, earlier)
    how: dict[str, Any] = {"metric": "lwlrap", "mode": "max", "scheduler": scheduler, "reuse_actors": True}
    if not in_population:
        how |= {"search_alg": searcher, "num_samples": -1, "max_concurrent_trials": at_once}
        return {}, tune.TuneConfig(**how)
    # Ray's population takes no searcher; it needs all of its trials from the start, even those that must wait
    population = {trial["number"]: trial for trial in searcher.all_that_is_left()}
    values = tune.sample_from(lambda config: population[config["number"]]["values"])
    return {"plan": plan, "number": tune.grid_search(list(population)), "values": values}, tune.TuneConfig(**how)


def _scheduler(store: Store, plan: SweepPlan, job: Job, earlier: list[TrialRecord]) -> TrialScheduler:
    settings = plan.space.scheduler
    last = job.recipe.training.epochs * len(job.folds_to_run)
    if isinstance(settings, Stopping):
        curves = {trial.number: store.curve(trial.run_id, Metric.SEARCH_LWLRAP) for trial in earlier}
        return SCHEDULERS[settings.kind](curves, last, settings)
    if isinstance(settings, Pbt):

        def exchange(number: int, donor: int, epoch: int, values: dict[str, Any]) -> None:
            take_over(store, plan.sweep_id, number, donor, epoch, value_tags(plan.space, values))

        return Population(plan.space, settings, last, exchanged(store, earlier, settings.interval, last), exchange)
    return FIFOScheduler()
