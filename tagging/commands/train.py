"""Train an experiment or a stacker: find what is there already, run the folds that are missing, sum them up."""

from __future__ import annotations

import math
import shutil
from collections import deque
from collections.abc import Mapping

from tagging.config import AnyRecipe
from tagging.contract import File, Metric, Tag
from tagging.jobs.folded import Folded
from tagging.jobs.inputs import Labelled, read_labelled
from tagging.jobs.job import Job, check_machine, job_of
from tagging.jobs.runs_of_job import ending, fold_run, identity_tags, log_inputs, log_progress, tell_apart
from tagging.progress import say, warn
from tagging.runs.finished import fold_runs, latest_run, open_store
from tagging.runs.sanity import CONSTANT, far_below, predicts_constant
from tagging.runs.stored import read_predictions
from tagging.selection.candidates import comparable
from tagging.tracking.ownership import close_abandoned, link_launch, own
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store

LOOK_AT = "look at its curves and its settings, the learning rate first"


def train(recipe: AnyRecipe, lineage: Mapping[str, str], again: bool = False, labelled: Labelled | None = None) -> Run:
    """Train the folds an experiment or a stacker asks for and return its run.

    `lineage` (config.lineage) becomes tags of it. What is finished is not trained twice, what was broken off is
    continued; `again` starts anew; `labelled` are the data where they are read already. Raises UserError for bad input,
    and where another process trains the same.
    """
    labelled = labelled or read_labelled(recipe)
    check_machine(recipe)  # what the machine cannot do stops before any work
    store = open_store()
    for closed in close_abandoned(store):
        say(f"run {closed.title} was broken off without a word; it is marked as KILLED")
    job = job_of(recipe, store, labelled)
    prepared = job.prepared
    fingerprint = prepared.fingerprint()
    _introduce(prepared)
    with own(fingerprint):
        run = latest_run(store, prepared.kind, fingerprint)
        if again and run and run.status == "FINISHED":
            run = None
        if run and not _missing(prepared, run, store):
            _tell_done(run, recipe)
        else:
            run = _resume(store, run) if run else _start(store, prepared, {**lineage, **job.tags})
            link_launch(store, run)
            say(store.where_to_look(run))
            with ending(store, run):
                log_inputs(store, run, prepared)
                tell_apart(store, run)
                job.begin(run)
                _train_missing(job, run, store)
            _warn_of_poor(prepared, store.get(run.id), store)
        link_launch(store, run)
    run = store.get(run.id)
    _tell_result(run, store)
    return run


def _introduce(prepared: Folded) -> None:
    data = prepared.dataset
    say(
        f"{data.name}: {len(data.curated)} curated, {len(data.noisy)} noisy, {len(data.test)} test clips, "
        f"{len(data.classes)} classes, {prepared.num_folds} folds"
    )
    for warning in prepared.warnings:
        warn(warning)


def _missing(prepared: Folded, run: Run, store: Store) -> list[int]:
    """Return the folds still to be trained; the first fold where only the summary is missing."""
    done = [fold for fold, child in fold_runs(store, run).items() if child.status == "FINISHED"]
    missing = [fold for fold in prepared.folds_to_run if fold not in done]
    return missing or ([] if run.status == "FINISHED" else prepared.folds_to_run[:1])


def _start(store: Store, prepared: Folded, lineage: Mapping[str, str]) -> Run:
    experiment = prepared.experiment
    return store.start(
        dataset=prepared.dataset.name,
        kind=prepared.kind,
        name=experiment.name,
        tags={**identity_tags(prepared), **lineage},
        params={},
        description=experiment.notes,
    )


def _resume(store: Store, run: Run) -> Run:
    say(f"going on with run {run.title}, which was broken off or lacks folds")
    store.reopen(run.id)
    for fold in store.children(run.id):
        if fold.status == "FINISHED":  # killed just before it was cleared away
            shutil.rmtree(work_folder() / fold.id, ignore_errors=True)
    return run


def _train_missing(job: Job, run: Run, store: Store) -> None:
    from tagging.jobs.summary import summarise  # with Matplotlib

    prepared = job.prepared
    known = fold_runs(store, run)
    finished = {fold: child for fold, child in known.items() if child.status == "FINISHED"}
    log_progress(store, run, finished, prepared.num_folds)
    for fold in [fold for fold in prepared.folds_to_run if fold not in finished]:
        child = fold_run(store, run, fold, known.get(fold))
        deque(job.fold_epochs(fold, child, run), maxlen=0)
        finished[fold] = store.get(child.id)
        log_progress(store, run, finished, prepared.num_folds)
    summarise(prepared, run, finished, store)


def _warn_of_poor(prepared: Folded, run: Run, store: Store) -> None:
    """Warn where a whole run says the same of every clip, or lies far below the other runs on these clips."""
    if run.tags.get(Tag.CANDIDATE) != "yes":
        return
    oof = read_predictions(store, run, File.OOF)
    if predicts_constant(oof[list(prepared.dataset.classes)].to_numpy(), oof["fold"].to_numpy()):
        warn(f"{run.title}: {CONSTANT}; {LOOK_AT}")
        return
    # one that is excluded may have a CV that no other run can be held against
    others = [one for one in comparable(store, run) if one.id != run.id and one.tags.get(Tag.MEMBERSHIP) != "exclude"]
    scores = [
        one.metrics[Metric.CV_LWLRAP] for one in others if math.isfinite(one.metrics.get(Metric.CV_LWLRAP, math.nan))
    ]
    if problem := far_below(run.score(Metric.CV_LWLRAP), scores, prepared.dataset.curated.labels):
        warn(f"{run.title}: {problem}; {LOOK_AT}")


def _tell_done(run: Run, recipe: AnyRecipe) -> None:
    other = "" if run.name == recipe.name else f", under the name {run.name}"
    say(f"trained before{other}: run {run.id}; --again would train it anew")


def _tell_result(run: Run, store: Store) -> None:
    folds = sorted(fold_runs(store, run).items())
    scores = ", ".join(
        f"{child.metrics[Metric.FOLD_LWLRAP]:.4f}" for _, child in folds if Metric.FOLD_LWLRAP in child.metrics
    )
    metrics = run.metrics
    spread = f"{metrics.get(Metric.FOLD_MEAN, math.nan):.4f}"
    if Metric.FOLD_STD in metrics:
        spread += f" ± {metrics[Metric.FOLD_STD]:.4f}"
    if Metric.CV_LWLRAP in metrics:
        say(f"\nCV lwlrap {metrics[Metric.CV_LWLRAP]:.4f}   folds {spread} ({scores})")
        if run.params.get("labels.corrections"):
            corrected = metrics.get("cv_lwlrap_corrected", math.nan)
            say(f"on corrected labels {corrected:.4f}; the CV counts all clips with original ones")
    else:
        say(f"\nfold lwlrap {spread} ({scores}); a CV lwlrap needs all folds")
    if Metric.CV_ACCURACY in metrics:
        say(f"CV accuracy {metrics[Metric.CV_ACCURACY]:.4f}")
    say(f"run {run.name} ({run.id}) of data set {run.dataset}")
    say(store.where_to_look(run))
