"""Finding a finished run and its folds. Imports no torch, so that a submission starts fast."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence

from tagging.contract import DATA_TAGS, FOLDED, TRAINED, File, Kind, Metric, Tag
from tagging.errors import UserError
from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.runs.stored import read_folds
from tagging.tracking.finder import restore
from tagging.tracking.ownership import adopt_launch, close_abandoned, link_launch, mark_launch
from tagging.tracking.place import owner_tag
from tagging.tracking.store import Run, Store


def open_store() -> Store:
    """Open the store; under `mlflow run`, mark the run that MLflow opened, for `link_launch`."""
    launch = adopt_launch(os.environ)
    store = Store.connect()
    if launch:
        mark_launch(store, launch)
    return store


def open_store_to_train() -> Store:
    """Open the store as `open_store` does, and end, with a line each, the runs that processes left RUNNING and died."""
    store = open_store()
    for closed in close_abandoned(store):
        say(f"run {closed.title} was left RUNNING by a process that died; it is marked as KILLED")
    return store


def open_run(run_text: str) -> tuple[Store, Run]:
    """Open the store and find the run that a user means; UserError if there is none."""
    store = open_store()
    run = store.resolve(run_text)
    link_launch(store, run)
    return store, run


def latest_run(store: Store, kind: str, fingerprint: str) -> Run | None:
    """Return the newest run of a kind and fingerprint that is finished, or that can be continued here; or None."""
    runs = store.search({Tag.KIND: kind, Tag.FINGERPRINT: fingerprint})
    return next((run for run in runs if run.status == "FINISHED" or run.tags.get(Tag.OWNER) == owner_tag()), None)


def meant_run(store: Store, text: str, kinds: Sequence[str], dataset: str) -> Run:
    """Return the run that a field names, as `Store.resolve` does, but a name means one of `dataset` before others."""
    named = store.search({Tag.NAME: text}, dataset)
    at_home = [run for run in named if run.kind in kinds and run.status == "FINISHED"]
    return at_home[0] if at_home else store.resolve(text, kinds)


def named_run(store: Store, text: str, kinds: Sequence[str], dataset: str) -> Run:
    """Return the finished run that a field of an experiment names, by `meant_run`.

    Raises UserError where there is no such run of these kinds, it is a fold, or it is not finished.
    """
    run = meant_run(store, text, kinds, dataset)
    if run.kind == Kind.FOLD and run.parent_id:
        raise UserError(f"{run.title} is a fold; give its run {run.parent_id[:8]}")
    if run.status != "FINISHED":
        raise UserError(
            f"{run.title} is {run.status}, not FINISHED; wait for its end, or go on with it by the "
            "command that started it"
        )
    return run


def comparable(store: Store, run: Run, kinds: Iterable[str] = TRAINED) -> list[Run]:
    """Return the finished runs of some kinds on the classes, clips and folds of a run, itself included.

    Raises UserError where the run has lost a tag of these.
    """
    same = {Tag.CANDIDATE: "yes", **{tag: run.tag(tag) for tag in DATA_TAGS}}
    found = [one for kind in kinds for one in store.search({Tag.KIND: kind, **same}, run.dataset)]
    return [one for one in found if one.status == "FINISHED"]


def rivals(store: Store, run: Run, kinds: Iterable[str] = TRAINED) -> list[Run]:
    """Return the other `comparable` runs with a CV lwlrap; excluded ones, whose CV may be too good, left out."""
    others = [one for one in comparable(store, run, kinds) if one.id != run.id]
    fair = [one for one in others if one.tags.get(Tag.MEMBERSHIP) != "exclude"]
    return [one for one in fair if math.isfinite(one.metrics.get(Metric.CV_LWLRAP, math.nan))]


def planned_folds(store: Store, run: Run) -> list[int]:
    """Return the numbers of all folds that a run's clips are cut into, trained or not."""
    return sorted(read_folds(store, run)["fold"].unique().tolist())


def fold_runs(store: Store, run: Run) -> dict[int, Run]:
    """Return the newest run of each fold without the deleted ones; UserError where its tag `fold` is no number."""
    return {child.number(Tag.FOLD): child for child in store.children(run.id)}


def finished_folds(store: Store, run: Run) -> dict[int, Run]:
    """Return the finished folds of a run by number, in their order.

    Raises UserError where none is finished, and where folds of a run that was complete are missing now.
    """
    check_lost(store, run)
    known = fold_runs(store, run)
    finished = {fold: known[fold] for fold in sorted(known) if known[fold].status == "FINISHED"}
    if not finished:
        raise UserError(f"run {run.name} ({run.id}) has no finished fold; train it first")
    return finished


def check_lost(store: Store, run: Run) -> None:
    """Raise UserError where folds of a run that was complete are missing now, with what became of each."""
    if lost := lost_folds(store, run):
        if run.kind == Kind.TRIAL:
            how = "`python -m tune promote` makes an experiment of a trial, to be trained again"
        else:
            how = (
                "the command that trained it trains what it lacks: "
                f"`python -m tagging train {run.name}`, with the --set and --data of that time"
            )
        raise UserError(*(f"{run.title} lacks {each}" for each in lost), how)


def lost_folds(store: Store, run: Run) -> list[str]:
    """Return what became of each missing fold of a run that was complete; empty for all other runs."""
    if run.kind not in FOLDED or not store.has_file(run.id, File.OOF):
        return []
    known, planned = fold_runs(store, run), planned_folds(store, run)
    lacking = [fold for fold in planned if fold not in known or known[fold].status != "FINISHED"]
    if not lacking:
        return []
    deleted = {child.tags.get(Tag.FOLD): child for child in store.children(run.id, deleted=True)}
    lost = []
    for fold in lacking:
        if fold in known:
            became = f"run {known[fold].id} is {known[fold].status}, not FINISHED"
        elif str(fold) in deleted:
            became = restore(deleted[str(fold)].id)
        else:
            became = "there is no run of it any more"
        lost.append(f"fold {fold} of its {len(planned)}: {became}")
    return lost


def fold_numbers(store: Store, run: Run) -> list[int]:
    """Return the numbers of the folds that a run predicts with: its finished ones, or its members' for an ensemble.

    Raises UserError as `finished_folds` does.
    """
    return planned_folds(store, run) if run.kind == Kind.ENSEMBLE else list(finished_folds(store, run))


def warn_of_untrained(store: Store, run: Run) -> None:
    """Warn where a run predicts with some of its folds because the others are not trained yet."""
    there, planned = fold_numbers(store, run), planned_folds(store, run)
    if len(there) < len(planned):
        numbers = ", ".join(map(str, there))
        some = f"{len(there)} of its {count(len(planned), 'fold')} ({numbers})"
        warn(f"{run.title} has {some}: its predictions are of these alone")
