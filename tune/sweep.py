"""A sweep, from a space to its finished run: begun, or resumed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tagging.config import Experiment, load
from tagging.config.problems import problems_of
from tagging.config.tree import merge
from tagging.contract import File, Kind, Tag
from tagging.errors import UserError
from tagging.jobs.inputs import Labelled
from tagging.jobs.job import Job
from tagging.jobs.prepare import job_of
from tagging.jobs.train import ending
from tagging.jobs.tryout import check_user_files
from tagging.jobs.user_files import settled, user_codes
from tagging.progress import say
from tagging.report.pages import page
from tagging.report.wording import count
from tagging.runs.finished import open_store_to_train
from tagging.tracking.ownership import link_launch, own
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tune.callbacks import AlikeFailures
from tune.check import check_space
from tune.records import TrialRecord, best, common_error, kept_space, records
from tune.schema import Space, SweepPlan
from tune.session import check_start
from tune.space import digest, fields_digest, load_space, some_trial, trials_of
from tune.study import STUDY
from tune.tuner import run_all


def search(
    space: Space, given: Mapping[str, Any], data: Path | None, name: str, address: str, labelled: Labelled
) -> Run:
    """Begin a sweep over a checked space and return its finished run; `given` are fields from the command line.

    `labelled` are the data of its experiment. Raises UserError, before anything is written, where an
    unfinished sweep has this name.
    """
    store = open_store_to_train()
    name = name or space.name
    for run in store.search({Tag.KIND: Kind.SWEEP}):
        if run.name == name and run.status != "FINISHED":
            raise UserError(
                f"the sweep {run.title} is not finished; continue it by `python -m tune search --resume "
                f"{run.id[:8]}`, or give the new one another name with --name"
            )
    job = _job(store, space, data, labelled)
    tags = {
        "space": space.name,
        Tag.SPACE_EXPERIMENT: space.experiment,
        Tag.EXPERIMENT_DIGEST: experiment_digest(space),
        **job.data_tags(),
    }
    run = store.start(job.dataset.name, Kind.SWEEP, name, tags, {})
    begun = page("sweep_begun", space=space, data_set=job.dataset.name, trials=trials_of(space), run=run.id[:8])
    store.set_tags(run.id, {Tag.LOCK: run.id, Tag.NOTE: begun})
    kept = {"file": str(space.file), "given": given, "data": str(data or "")}
    return _finish(store, run, space, data, kept, job, address)


def resume(sweep_text: str, changes: dict[str, Any], address: str) -> Run:
    """Continue a sweep that was interrupted, or extend it to more trials; `changes` replace trials and resources.

    Raises UserError, and leaves the sweep as it is, where the changes do not suit it, the space or the data were
    changed meanwhile, or no trial could start.
    """
    store = open_store_to_train()
    run = store.resolve(sweep_text, kinds=(Kind.SWEEP,), unfinished=True)
    if run.kind != Kind.SWEEP:
        raise UserError(f"{run.title} is no sweep, but of kind {run.kind or 'unknown'}")
    stored = kept_space(store, run)
    try:
        space = Space.model_validate(merge(stored["space"], changes))
    except ValidationError as error:  # changes that this space does not allow
        raise UserError(*problems_of(error, {key: f"--{key}" for key in changes}, Path(run.name), Space)) from None
    _check_unchanged(run, space, stored)
    trials, wanted = records(store, run), trials_of(space)
    left = wanted - sum(not trial.interrupted for trial in trials)
    if run.status == "FINISHED" and left <= 0:
        text = f"the sweep {run.title} is finished with {count(wanted, 'trial')}"
        say(f"{text}, the whole grid" if space.searcher.kind == "grid" else f"{text}; --trials N adds more")
        _print_result(store, run, _winner(trials))
        return run
    check_start(space.resources.cpu, space.resources.gpu, address)
    data = Path(stored["data"]) if stored["data"] else None
    check_space(space, data)
    job = _job(store, space, data)
    for tag, value in job.data_tags().items():
        if run.tags.get(tag) != value:
            raise UserError(f"{job.dataset.folder} is not the data that {run.name} was begun on: {tag} differs")
    say(f"continuing the sweep {run.title}: {max(left, 0)} of {wanted} trials are left")
    return _finish(store, run, space, data, stored, job, address)


def _job(store: Store, space: Space, data: Path | None, labelled: Labelled | None = None) -> Job:
    """Prepare what the trials of a checked space share, once: an experiment's log-mels are computed here.

    The user's own files are tried out as before a training, with the values of one trial.
    """
    one = some_trial(space, data)
    check_user_files(one)
    return job_of(one, store, labelled)


def experiment_digest(space: Space) -> str:
    """Return the sha256 of what the space's experiment computes before the space sets any field.

    The content of the user's own files counts. Raises UserError for one that cannot be used.
    """
    experiment = load(space.experiment)
    return fields_digest(settled(experiment) if isinstance(experiment, Experiment) else experiment)


def _check_unchanged(run: Run, space: Space, kept: Mapping[str, Any]) -> None:
    """Compare the space's file, with the fields of the command line, and its experiment with those of the sweep."""
    if "given" not in kept:  # of a sweep of an earlier version
        say(f"{run.name} does not name the file of its space; the sweep continues with the space in its run")
        return
    file, experiment, problems = Path(kept["file"]), space.experiment, []
    since = f"was changed since the sweep {run.title} began; take the change back, or begin a new sweep"
    if not file.exists():
        say(f"{file} is missing; the sweep continues with the space in its run")
    elif digest(load_space(file, kept["given"])) != digest(space):
        problems.append(f"the space {file} {since} with it: python -m tune search {file} --name NAME")
    if experiment_digest(space) != run.tags.get(Tag.EXPERIMENT_DIGEST):
        begin = f"python -m tune search {file} --experiment {experiment} --name NAME"
        problems.append(f"the experiment {experiment}{_own_files(experiment)} {since} with it: {begin}")
    if problems:
        raise UserError(*problems)


def _own_files(experiment: str) -> str:
    """Return the user's own files of an experiment as an insertion in a sentence; empty where there are none."""
    paths = dict.fromkeys(str(code.path) for code in user_codes(load(experiment)).values())
    return f" or its own code in {', '.join(paths)}" if paths else ""


def _finish(
    store: Store, run: Run, space: Space, data: Path | None, kept: Mapping[str, Any], job: Job, address: str
) -> Run:
    """Run the missing trials, log what they amount to, and return the finished run."""
    resume_by = f"`python -m tune search --resume {run.id[:8]}` continues it"
    try:
        with own(run.id), ending(store, run):
            if run.status != "RUNNING":  # under the lock: no other process continues it
                store.reopen(run.id)
            # before the first trial, so that changed trials and resources hold for the next --resume too
            store.log_json(run.id, {**kept, "space": space.model_dump(mode="json")}, File.SPACE)
            link_launch(store, run)
            say(store.where_to_look(run))
            failures = AlikeFailures()
            run_all(store, SweepPlan(run.id, run.name, space, data, store.uri), address, job, failures)
            from tune.report import summarise_sweep  # with Matplotlib

            trials = records(store, run)
            summarise_sweep(store, store.get(run.id), trials, space, kept)
            if (study := work_folder() / run.id / STUDY).is_file():
                store.log_file(run.id, study)
            _check_ended(trials, trials_of(space), failures, resume_by)
            winner = _winner(trials)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(resume_by) from None
    shutil.rmtree(work_folder() / run.id, ignore_errors=True)
    run = store.get(run.id)
    _print_result(store, run, winner)
    return run


def _check_ended(trials: list[TrialRecord], wanted: int, failures: AlikeFailures, resume_by: str) -> None:
    """Raise UserError where trials failed alike or were interrupted, KeyboardInterrupt where Ray was stopped early."""
    if failures.error:
        raise UserError(f"five trials in a row failed alike: {failures.error}")
    ended = {trial.number for trial in trials if not trial.interrupted}
    left = wanted - len(ended)
    # some were interrupted before they had a run
    interrupted = [error for number, error in failures.errors.items() if number not in ended]
    if interrupted and left <= len(interrupted):
        raise UserError(
            f"{count(len(interrupted), 'trial')} of {wanted} did not come to an end, "
            f"the last for this reason: {interrupted[-1]}",
            resume_by,
        )
    if left > 0:
        raise KeyboardInterrupt


def _winner(trials: list[TrialRecord]) -> TrialRecord:
    """Return the best trial of a sweep whose trials have all ended; UserError where none of them was finished."""
    winner = best(trials)
    if winner is not None:
        return winner
    states = Counter(trial.state.lower() for trial in trials)
    common = common_error(trials)
    raise UserError(
        f"no trial was finished: {', '.join(f'{number} {state}' for state, number in states.items())}",
        *([f"the most common error ({common[1]}): {common[0]}"] if common else []),
        "change what the trials have in common, the space or the experiment, and begin a new sweep with --name NAME",
    )


def _print_result(store: Store, run: Run, winner: TrialRecord) -> None:
    say(f"\nbest: trial {winner.number} with lwlrap {winner.lwlrap:.4f}")
    for path, value in winner.values.items():
        say(f"  {path}={value}" + " at its end; schedule.json of its run has them by epoch" * bool(winner.exchanges))
    say(f"sweep {run.name} ({run.id}) of data set {run.dataset}")
    say(store.where_to_look(run))
    if not winner.exchanges:
        say(f"make it an experiment: python -m tune promote {run.id[:8]} --name NAME")
