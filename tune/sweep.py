"""A sweep, from a space to its finished run; begun, or gone on with."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tagging.config.problems import problems_of
from tagging.config.tree import merge
from tagging.contract import File, Kind, Tag
from tagging.errors import UserError
from tagging.jobs.folded import Folded
from tagging.jobs.inputs import Labelled
from tagging.jobs.job import job_of
from tagging.jobs.runs_of_job import ending
from tagging.progress import say
from tagging.report.wording import count
from tagging.runs.finished import open_store
from tagging.tracking.ownership import close_abandoned, link_launch, own
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tune.callbacks import AlikeFailures
from tune.check import check_space
from tune.packing import gpu_share, measured, told_share
from tune.records import TrialRecord, best, common_error, records
from tune.schema import Space
from tune.session import check_start, sees_gpu
from tune.side_by_side import Sweep, run_trials
from tune.space import digest, experiment_digest, load_space, some_trial, trials_of
from tune.study import FILE as STUDY


def search(
    space: Space,
    given: Mapping[str, Any],
    data: Path | None,
    name: str,
    address: str,
    labelled: Labelled | None = None,
) -> Run:
    """Begin a sweep and return its finished run; `given` are the fields of the space that its file did not say.

    `labelled` are the data where they are read already.
    Raises UserError where one of this name is unfinished; nothing is written then.
    """
    store = _open()
    name = name or space.name
    for run in store.search({Tag.KIND: Kind.SWEEP}):
        if run.name == name and run.status != "FINISHED":
            raise UserError(
                f"the sweep {name} ({run.id[:8]}) is not finished; go on with it by `python -m tune search --resume "
                f"{run.id[:8]}`, or give the new one another name with --name"
            )
    prepared = _prepared(store, space, data, labelled)
    tags = {
        "space": space.name,
        Tag.SPACE_EXPERIMENT: space.experiment,
        Tag.EXPERIMENT_DIGEST: experiment_digest(space),
        **prepared.data_tags(),
    }
    run = store.start(prepared.dataset.name, Kind.SWEEP, name, tags, {}, description=space.notes)
    store.set_tags(run.id, {Tag.LOCK: run.id})
    kept = {"file": str(space.file), "given": given, "data": str(data or "")}
    return _finish(store, Sweep(run, space, data, address), kept, prepared)


def resume(sweep_text: str, changes: dict[str, Any], address: str) -> Run:
    """Go on with a sweep that was broken off, or bring it to more trials; `changes` replace trials, resources.

    Raises UserError where the changes do not suit it, the space was changed meanwhile, no trial could start, or the
    data are others; the sweep stays as it is then.
    """
    store = _open()
    run = store.resolve(sweep_text, kinds=(Kind.SWEEP,), unfinished=True)
    if run.kind != Kind.SWEEP:
        raise UserError(f"{run.title} is no sweep, but of kind {run.kind or 'unknown'}")
    with store.reading(run.id, File.SPACE) as local:
        stored = json.loads(local.read_bytes())
        if not isinstance(stored, dict) or not isinstance(stored.get("space"), dict) or "data" not in stored:
            raise ValueError("it holds no space")
    try:
        space = Space.model_validate(merge(stored["space"], changes))
    except ValidationError as error:  # a sweep of this kind cannot have the changes
        raise UserError(*problems_of(error, {key: f"--{key}" for key in changes}, Path(run.name), Space)) from None
    _check_unchanged(run, space, stored)
    there = records(store, run)
    left = trials_of(space) - sum(not trial.broken_off for trial in there)
    if run.status == "FINISHED" and left <= 0:
        say(_nothing_left(run, space))
        _tell(store, run, _winner(there))
        return run
    check_start(space.resources.cpu, space.resources.gpu, address)
    data = Path(stored["data"]) if stored["data"] else None
    prepared = _prepared(store, space, data)
    for tag, value in prepared.data_tags().items():
        if run.tags.get(tag) != value:
            raise UserError(f"{prepared.dataset.folder} is not the data that {run.name} was begun on: {tag} differs")
    say(f"going on with the sweep {run.title}: {max(left, 0)} of {trials_of(space)} trials are left")
    return _finish(store, Sweep(run, space, data, address), stored, prepared)


def _nothing_left(run: Run, space: Space) -> str:
    had = f"the sweep {run.title} is finished, and nothing is left to try:"
    if space.searcher.kind == "grid":
        return f"{had} its grid has {count(trials_of(space), 'point')}"
    return f"{had} it was to have {count(trials_of(space), 'trial')}; --trials N brings it to more"


def _open() -> Store:
    store = open_store()
    for closed in close_abandoned(store):
        say(f"run {closed.title} was broken off without a word; it is marked as KILLED")
    return store


def _prepared(store: Store, space: Space, data: Path | None, labelled: Labelled | None = None) -> Folded:
    """Check the space and prepare what trials share, once: an experiment's log-mels are computed here."""
    check_space(space, data)
    return job_of(some_trial(space, data), store, labelled).prepared


def _check_unchanged(run: Run, space: Space, kept: Mapping[str, Any]) -> None:
    """Hold the space's file, with what the command line said beside it, and its experiment against the sweep."""
    if "given" not in kept:  # begun before that was noted
        say(f"{run.name} does not say what its space was made of; the sweep goes on with the space that its run holds")
        return
    file, experiment, problems = Path(kept["file"]), space.experiment, []
    since = f"was changed since the sweep {run.title} began; take the change back, or begin a new sweep"
    if not file.exists():
        say(f"{file} is not there any more; the sweep goes on with the space that its run holds")
    elif digest(load_space(file, kept["given"])) != digest(space):
        problems.append(f"the space {file} {since} with it: python -m tune search {file} --name NAME")
    if experiment_digest(space) != run.tags.get(Tag.EXPERIMENT_DIGEST):
        begin = f"python -m tune search {file} --experiment {experiment} --name NAME"
        problems.append(f"the experiment {experiment} {since} with it: {begin}")
    if problems:
        raise UserError(*problems)


def _finish(store: Store, sweep: Sweep, kept: Mapping[str, Any], prepared: Folded) -> Run:
    run = sweep.run
    with _naming(run), own(run.id), ending(store, run):
        if run.status != "RUNNING":  # only now is it sure that nobody else goes on with it
            store.reopen(run.id)
        # before the first trial: what a sweep was told when it went on holds when it goes on again
        store.log_json(run.id, {**kept, "space": sweep.space.model_dump(mode="json")}, File.SPACE)
        link_launch(store, run)
        say(store.where_to_look(run))
        from tune.report import summarise_sweep  # with Matplotlib

        failures = AlikeFailures()
        _tune(store, sweep, prepared, failures)
        trials = records(store, run)
        space = sweep.space
        logarithmic = [path for path, kind in space.space.items() if kind.kind == "loguniform"]
        summarise_sweep(store, store.get(run.id), trials, logarithmic, space.objectives, space.notes)
        if (study := work_folder() / run.id / STUDY).is_file():
            store.log_file(run.id, study)
        if failures.error:
            raise UserError(f"five trials in a row failed alike: {failures.error}")
        _refuse_unfinished(sweep, trials, failures)
        winner = _winner(trials)
    shutil.rmtree(work_folder() / run.id, ignore_errors=True)
    _tell(store, store.get(run.id), winner)
    return store.get(run.id)


@contextmanager
def _naming(run: Run) -> Iterator[None]:
    """Have Ctrl-C say how to go on with this sweep."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"`python -m tune search --resume {run.id[:8]}` goes on with it") from None


def _refuse_unfinished(sweep: Sweep, trials: list[TrialRecord], failures: AlikeFailures) -> None:
    """Raise UserError where the machine broke trials off, KeyboardInterrupt where Ray was stopped before all ended."""
    ended = {trial.number for trial in trials if not trial.broken_off}
    left = sweep.wanted - len(ended)
    broken = [error for number, error in failures.errors.items() if number not in ended]  # some before they had a run
    if broken and left <= len(broken):
        raise UserError(
            f"{count(len(broken), 'trial')} of {sweep.wanted} did not come to an end, the last for this: {broken[-1]}",
            f"`python -m tune search --resume {sweep.run.id[:8]}` goes on where it was",
        )
    if left > 0:
        raise KeyboardInterrupt


def _winner(trials: list[TrialRecord]) -> TrialRecord:
    """Return the best trial of a sweep whose trials have all ended; UserError where none of them was finished."""
    winner = best(trials)
    if winner is not None:
        return winner
    states = Counter(trial.state.lower() for trial in trials)
    told = ", ".join(f"{number} {state}" for state, number in states.items())
    common = common_error(trials)
    raise UserError(
        f"no trial was finished: {told}",
        *([f"the most common error ({common[1]}): {common[0]}"] if common else []),
        "change what the trials have in common, the space or the experiment, and begin a new sweep with --name NAME",
    )


def _tune(store: Store, sweep: Sweep, prepared: Folded, failures: AlikeFailures) -> None:
    """Run the trials that are missing; where the GPU's share is to be found out, one by itself first."""
    space = sweep.space
    gpu = space.resources.gpu
    if gpu != "auto":
        run_trials(store, sweep, prepared, failures, gpu, sweep.wanted)
        return
    if not sees_gpu():
        say("no GPU that torch sees: trials run on CPU cores")
        run_trials(store, sweep, prepared, failures, 0, sweep.wanted)
        return
    if measured(store, sweep.run) is None:
        say("one trial has the GPU alone, to see how much of it a trial needs")
        run_trials(store, sweep, prepared, failures, 1, max(1, len(records(store, sweep.run))))
    memory = measured(store, sweep.run)
    say(told_share(memory))
    run_trials(store, sweep, prepared, failures, gpu_share(memory), sweep.wanted)


def _tell(store: Store, run: Run, winner: TrialRecord) -> None:
    say(f"\nbest: trial {winner.number} with lwlrap {winner.lwlrap:.4f}")
    for path, value in winner.values.items():
        say(f"  {path}={value}" + " at its end; schedule.json of its run has them by epoch" * bool(winner.exchanges))
    say(f"sweep {run.name} ({run.id}) of data set {run.dataset}")
    say(store.where_to_look(run))
    if not winner.exchanges:
        say(f"make it an experiment: python -m tune promote {run.id[:8]} --name NAME")
