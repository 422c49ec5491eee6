"""A sweep, from a space to its finished run; begun, or gone on with."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from tagging.commands.finished import open_store
from tagging.commands.prepare import Prepared, prepare
from tagging.commands.run_tree import ending
from tagging.config.tree import merge
from tagging.errors import UserError
from tagging.progress import say
from tagging.tracking.launch import link_launch
from tagging.tracking.ownership import LOCK, close_abandoned, own, work_folder
from tagging.tracking.store import Run, Store
from tune.callbacks import AlikeFailures, Closing, end_trial
from tune.records import best, records
from tune.report import summarise_sweep
from tune.schema import Space
from tune.screen import Screen
from tune.searcher import StudySearcher
from tune.session import ray_session, trials_at_once
from tune.space import check_space, digest, distributions, grid_points, load_space, space_names
from tune.trial import CrossValidation, SweepPlan, trial_experiment
from tune.warm_start import known_results

WORKER_DEATHS = 2  # that are borne a trial


@dataclass(frozen=True)
class _Sweep:
    run: Run
    space: Space
    data: Path | None
    address: str


def search(space: Space, data: Path | None, name: str, address: str) -> Run:
    """Begin a sweep and return its finished run. Raises UserError where one of this name is unfinished."""
    store, launch = _open()
    name = name or space.name
    for run in store.search({"kind": "sweep"}):
        if run.name == name and run.status != "FINISHED":
            raise UserError(
                f"the sweep {name} ({run.id[:8]}) is not finished; go on with it by `python -m tune search --resume "
                f"{run.id[:8]}`, or give the new one another name with --name"
            )
    prepared = _prepared(space, data)
    tags = {
        "space": space.name,
        "space.experiment": space.experiment,
        "space.digest": digest(space),
        "space.file": _file_digest(space),
        **prepared.data_tags(),
    }
    run = store.start(prepared.dataset.name, "sweep", name, tags, {}, description=space.notes)
    store.set_tags(run.id, {LOCK: run.id})
    store.log_json(run.id, {"space": space.model_dump(mode="json"), "data": str(data or "")}, "space.json")
    return _finish(store, _Sweep(run, space, data, address), prepared, launch)


def resume(sweep_text: str, changes: dict[str, Any], address: str) -> Run:
    """Go on with a sweep that was broken off, or bring it to more trials; `changes` replace trials, keep, resources.

    Raises UserError where the space was changed meanwhile, or the data are others.
    """
    store, launch = _open()
    run = store.resolve(sweep_text, kinds=("sweep",), unfinished=True)
    if run.kind != "sweep":
        raise UserError(f"{run.name} ({run.id[:8]}) is no sweep, but of kind {run.kind or 'unknown'}")
    stored = json.loads(store.read_text(run.id, "space.json"))
    space = Space.model_validate(merge(stored["space"], changes))
    _check_unchanged(run, space)
    data = Path(stored["data"]) if stored["data"] else None
    prepared = _prepared(space, data)
    for tag, value in prepared.data_tags().items():
        if run.tags.get(tag) != value:
            raise UserError(f"{prepared.dataset.folder} is not the data that {run.name} was begun on: {tag} differs")
    say(f"going on with the sweep {run.name} ({run.id[:8]})")
    return _finish(store, _Sweep(run, space, data, address), prepared, launch)


def _open() -> tuple[Store, str | None]:
    store, launch = open_store()
    for closed in close_abandoned(store):
        say(f"run {closed.name} ({closed.id[:8]}) was broken off without a word; it is marked as KILLED")
    return store, launch


def _prepared(space: Space, data: Path | None) -> Prepared:
    """Check the space and compute the log-mels, once for all trials."""
    check_space(space, data)
    some = {
        path: distribution.choices[0] if hasattr(distribution, "choices") else distribution.low  # type: ignore[attr-defined]
        for path, distribution in distributions(space).items()
    }
    return prepare(trial_experiment(space, some, data))


def _check_unchanged(run: Run, space: Space) -> None:
    if run.tags["space.file"] != _file_digest(space):
        raise UserError(
            f"the space {space.name} was changed since the sweep {run.name} ({run.id[:8]}) began; take the change "
            "back, or begin a new sweep with it: python -m tune search --name NAME"
        )
    if run.tags["space.digest"] != digest(space):
        raise UserError(
            f"the experiment {space.experiment} was changed since the sweep {run.name} ({run.id[:8]}) began; take the "
            "change back, or begin a new sweep: python -m tune search --name NAME"
        )


def _file_digest(space: Space) -> str:
    """Return what the space's file says, before what was given on the command line; empty for one of the user's own."""
    return digest(load_space(space.name)) if space.name in space_names() else ""


def _finish(store: Store, sweep: _Sweep, prepared: Prepared, launch: str | None) -> Run:
    run = sweep.run
    with own(run.id), ending(store, run):
        if run.status != "RUNNING":  # only now is it sure that nobody else goes on with it
            store.reopen(run.id)
        if launch:
            link_launch(store, launch, run)
        failures = AlikeFailures()
        _tune(store, sweep, prepared, failures)
        trials = records(store, run)
        logarithmic = [path for path, kind in sweep.space.space.items() if kind.kind == "loguniform"]
        summarise_sweep(store, store.get(run.id), trials, logarithmic)
        if failures.error:
            raise UserError(f"five trials in a row failed alike: {failures.error}")
        ended = [trial for trial in trials if trial.state in ("FINISHED", "PRUNED", "FAILED")]
        if len(ended) < _wanted(sweep.space):
            raise KeyboardInterrupt
    shutil.rmtree(work_folder() / run.id, ignore_errors=True)
    _tell(store.get(run.id), trials)
    return store.get(run.id)


def _wanted(space: Space) -> int:
    return min(space.trials, len(grid_points(space))) if space.searcher.kind == "grid" else space.trials


def _tune(store: Store, sweep: _Sweep, prepared: Prepared, failures: AlikeFailures) -> None:
    space, run = sweep.space, sweep.run
    earlier = records(store, run)
    known = known_results(
        store, space, sweep.data, prepared.data_tags(), prepared.dataset.name, prepared.folds_to_run, run.id
    )
    searcher = StudySearcher(
        plan=SweepPlan(run.id, run.name, space, sweep.data, store.uri),
        searcher=space.searcher,
        distributions=distributions(space),
        trials=_wanted(space),
        seed=space.seed,
        objectives=space.objectives,
        earlier=earlier,
        known=known if len(space.objectives) == 1 else (),
        grid=grid_points(space) if space.searcher.kind == "grid" else (),
    )
    wanted = space.resources
    # a cluster has resources of its own, which are known once it is joined
    here = 0 if sweep.address else trials_at_once(wanted.cpu, wanted.gpu, wanted.at_once)
    scratch = work_folder() / run.id
    with (
        Screen(list(distributions(space)), _wanted(space), earlier) as screen,
        ray_session(here * wanted.cpu, here * wanted.gpu, sweep.address),
    ):
        at_once = here or trials_at_once(wanted.cpu, wanted.gpu, wanted.at_once)
        tuner = tune.Tuner(
            tune.with_resources(CrossValidation, {"cpu": wanted.cpu, "gpu": wanted.gpu}),
            tune_config=tune.TuneConfig(
                metric="lwlrap",
                mode="max",
                search_alg=searcher,
                scheduler=_scheduler(space, prepared),
                num_samples=-1,
                max_concurrent_trials=at_once,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="ray",
                storage_path=str(scratch),
                callbacks=[Closing(store, run.id, screen, space.keep)],
                stop=failures,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        finally:
            end_trial(store, run.id, None, "KILLED", {}, {})


def _scheduler(space: Space, prepared: Prepared) -> TrialScheduler:
    # one more than there are: Ray stops who reaches the most, and a trial's own last report comes after that epoch
    most = prepared.experiment.training.epochs * len(prepared.folds_to_run) + 1
    settings = space.scheduler
    if settings.kind == "asha":
        return ASHAScheduler(
            time_attr="epochs", max_t=most, grace_period=settings.grace, reduction_factor=settings.reduction
        )
    if settings.kind == "median":
        return MedianStoppingRule(time_attr="epochs", grace_period=settings.grace)
    return FIFOScheduler()


def _tell(run: Run, trials: list[Any]) -> None:
    winner = best(trials)
    if winner is None:
        say("no trial was finished")
        return
    say(f"\nbest: trial {winner.number} with lwlrap {winner.lwlrap:.4f}")
    for path, value in winner.values.items():
        say(f"  {path}={value}")
    say(f"sweep {run.name} ({run.id}) of data set {run.dataset}; look at it with `make ui`")
    say(f"make it an experiment: python -m tune promote {run.id[:8]} --name NAME")
