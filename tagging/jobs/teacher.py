"""`teacher.run`: the finished run whose probabilities become part of an experiment's training targets."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from tagging.config import Experiment
from tagging.contract import WITH_PREDICTIONS, File, Tag, split_path
from tagging.errors import UserError
from tagging.jobs.inputs import dataset_name
from tagging.jobs.lessons import Half, Lessons
from tagging.jobs.prepare import Prepared
from tagging.progress import warn
from tagging.report.wording import count
from tagging.runs.finished import check_lost, named_run
from tagging.runs.stored import class_columns, other_classes, read_predictions
from tagging.tracking.store import Run, Store


def find_teacher(experiment: Experiment, store: Store) -> tuple[Experiment, Run | None]:
    """Return the run that `teacher.run` means, and the experiment with its full id in that field; None without a share.

    A name means a run of the experiment's own data set before those of others.
    Raises UserError where there is no such run, it is not finished, it predicts nothing, or it lost a fold.
    """
    teacher = experiment.teacher
    if teacher.off:
        if teacher.run:
            warn("teacher.run is given, but teacher.curated and teacher.noisy are 0: nothing is learnt from it")
        return experiment, None
    try:
        run = named_run(store, teacher.run, WITH_PREDICTIONS, dataset_name(experiment))
        if run.kind not in WITH_PREDICTIONS:
            raise UserError(
                f"{run.title} is a {run.kind or 'foreign run'}; give an ensemble, experiment, stacker or trial"
            )
        check_lost(store, run)
    except UserError as error:
        first, *rest = error.problems
        raise UserError(f"teacher.run: {first}", *rest) from None
    settled = teacher.model_copy(update={"run": run.id})
    return experiment.model_copy(update={"teacher": settled}), run


def teacher_tags(teacher: Run | None) -> dict[str, str]:
    """Return the tags by which a run says whom it learnt from; empty without a teacher."""
    return {Tag.TEACHER_RUN: teacher.id, Tag.TEACHER_NAME: teacher.name} if teacher else {}


def attend(teacher: Run | None, prepared: Prepared, store: Store) -> Prepared:
    """Return what the folds share with the teacher's probabilities among it.

    Raises UserError, with all problems at once, where the teacher has other classes, clips or folds, has not predicted
    the clips that it is to speak of, or says what is no probability.
    """
    if teacher is None:
        return prepared
    title = f"teacher.run: {teacher.title}"
    if not store.has_file(teacher.id, File.OOF):
        raise UserError(f"{title} has no out-of-fold probabilities; a run has them once all its folds are trained")
    oof = read_predictions(store, teacher, File.OOF)
    problems = _misfits(title, oof, prepared)
    if problems:
        raise UserError(*problems)
    shares = prepared.experiment.teacher
    halves = []
    if shares.curated:
        said = _aligned(f"{title} in {File.OOF}", oof, prepared.dataset.curated.fnames, prepared)
        by_fold = dict.fromkeys(range(prepared.num_folds), said)
        halves.append(Half(prepared.rows["curated"], shares.curated, by_fold))
    if shares.noisy:
        halves.append(Half(prepared.rows["noisy"], shares.noisy, _noisy(title, teacher, prepared, store)))
    return replace(prepared, lessons=Lessons(_digest(halves), tuple(halves)))


def _misfits(title: str, oof: pd.DataFrame, prepared: Prepared) -> list[str]:
    """Say where the teacher knows other classes, clips or folds: its words would be of something else, or leak."""
    problems = []
    theirs, ours = class_columns(oof), prepared.dataset.classes
    if set(theirs) != set(ours):
        problems.append(
            f"{title} was trained on other classes {other_classes(theirs, ours)}; name a run on the same classes"
        )
    before = dict(zip(oof["fname"], oof["fold"], strict=True))
    now = dict(zip(prepared.dataset.curated.fnames, prepared.folds.tolist(), strict=True))
    only = [
        f"{count(len(some), 'clip')} only {place}, such as {min(some)}"
        for place, some in (("there", before.keys() - now.keys()), ("here", now.keys() - before.keys()))
        if some
    ]
    if only:
        problems.append(f"{title} was trained on other curated clips ({'; '.join(only)}); name a run on the same clips")
    moved = [fname for fname, fold in now.items() if before.get(fname, fold) != fold]
    if moved:
        problems.append(
            f"{title} has {count(len(moved), 'clip')} in another fold, such as {moved[0]}: what it says was learnt "
            "from clips that are held out here; give the fields of `folds` that the run was trained with"
        )
    return problems


def _noisy(title: str, teacher: Run, prepared: Prepared, store: Store) -> dict[int, np.ndarray]:
    """Return what the teacher's fold of each number says of the noisy clips: it never saw that fold's curated clips."""
    paths = {fold: split_path("noisy", fold) for fold in range(prepared.num_folds)}
    fnames = prepared.dataset.noisy.fnames
    if not fnames:
        raise UserError(
            f"teacher.noisy is {prepared.experiment.teacher.noisy:g}, but {prepared.dataset.name} has no noisy clips"
        )
    missing = [path for path in paths.values() if not store.has_file(teacher.id, path)]
    if missing:
        raise UserError(
            f"{title} has not predicted the noisy clips: it lacks {', '.join(missing)}; train it, or the members of an "
            "ensemble or stacker, with --set predict.noisy=true, or give teacher.noisy=0"
        )
    return {
        fold: _aligned(f"{title} in {path}", read_predictions(store, teacher, path), fnames, prepared)
        for fold, path in paths.items()
    }


def _aligned(title: str, table: pd.DataFrame, fnames: tuple[str, ...], prepared: Prepared) -> np.ndarray:
    """Return a table's probabilities [n, C] of these clips, in our order of clips and classes."""
    table = table.set_index("fname")
    lacking = [fname for fname in fnames if fname not in table.index]
    if lacking:
        raise UserError(f"{title} says nothing of {count(len(lacking), 'clip')}, such as {lacking[0]}")
    return np.ascontiguousarray(table.loc[list(fnames), list(prepared.dataset.classes)].to_numpy(np.float32))


def _digest(halves: list[Half]) -> str:
    found = hashlib.sha256()
    for half in halves:
        for said in half.said.values():
            found.update(said.tobytes())
    return found.hexdigest()
