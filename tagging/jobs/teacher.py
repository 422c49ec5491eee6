"""`teacher.run`: the finished run whose probabilities become part of an experiment's training targets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tagging.config import Experiment
from tagging.config.sections.training import Teacher
from tagging.contract import WITH_PREDICTIONS, File, split_path
from tagging.errors import UserError
from tagging.jobs.inputs import dataset_name
from tagging.jobs.job import Job
from tagging.progress import warn
from tagging.report.wording import count
from tagging.runs.finished import check_lost, named_run
from tagging.runs.stored import class_columns, other_classes, read_predictions
from tagging.tracking.store import Run, Store

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SplitProbabilities:
    """A teacher's probabilities of n clips: their `rows` [n] in the store, its `share` of targets, [n, C] by fold."""

    rows: np.ndarray
    share: float
    by_fold: Mapping[int, np.ndarray]


@dataclass(frozen=True)
class SoftTargets:
    """A teacher's probabilities of curated and noisy clips; `digest`, a sha256, stands for all of them."""

    digest: str
    splits: tuple[SplitProbabilities, ...]

    def mixed_into(self, labels: Tensor, fold: int) -> Tensor:
        """Return the targets [rows of the store, C] of a fold's training: (1 - share) · label + share · probability.

        labels [rows of the store, C] in 0..1; rows without a teacher's probabilities keep them. Soft targets as in
        Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015, at temperature 1.
        """
        import torch  # here: most of what is asked of a teacher needs none

        targets = labels.clone()
        for split in self.splits:
            rows = torch.from_numpy(split.rows).to(labels.device)
            probabilities = torch.from_numpy(split.by_fold[fold]).to(labels.device)
            targets[rows] = torch.lerp(labels[rows], probabilities, split.share)
        return targets


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


def soft_targets(teacher: Run, shares: Teacher, job: Job, rows: Mapping[str, np.ndarray], store: Store) -> SoftTargets:
    """Return the teacher's probabilities of the clips that its `shares` ask for; `rows` of a split in the store.

    Raises UserError, with all problems at once, where the teacher has other classes, clips or folds, has not predicted
    some of the clips, or its tables hold no probabilities.
    """
    title = f"teacher.run: {teacher.title}"
    if not store.has_file(teacher.id, File.OOF):
        raise UserError(f"{title} has no out-of-fold probabilities; a run has them once all its folds are trained")
    oof = read_predictions(store, teacher, File.OOF)
    problems = _misfits(title, oof, job)
    if problems:
        raise UserError(*problems)
    splits = []
    if shares.curated:
        aligned = _aligned(f"{title} in {File.OOF}", oof, job.dataset.curated.fnames, job)
        by_fold = dict.fromkeys(range(job.num_folds), aligned)
        splits.append(SplitProbabilities(rows["curated"], shares.curated, by_fold))
    if shares.noisy:
        splits.append(SplitProbabilities(rows["noisy"], shares.noisy, _noisy(title, teacher, shares.noisy, job, store)))
    digest = hashlib.sha256()
    for split in splits:
        for probabilities in split.by_fold.values():
            digest.update(probabilities.tobytes())
    return SoftTargets(digest.hexdigest(), tuple(splits))


def _misfits(title: str, oof: pd.DataFrame, job: Job) -> list[str]:
    """Return a message for each of classes, clips and folds that differ: probabilities would not fit, or leak."""
    problems = []
    theirs, ours = class_columns(oof), job.dataset.classes
    if set(theirs) != set(ours):
        problems.append(
            f"{title} was trained on other classes {other_classes(theirs, ours)}; name a run on the same classes"
        )
    before = dict(zip(oof["fname"], oof["fold"], strict=True))
    now = dict(zip(job.dataset.curated.fnames, job.folds.tolist(), strict=True))
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
            f"{title} has {count(len(moved), 'clip')} in another fold, such as {moved[0]}: its probabilities were "
            "learnt from clips that are held out here; give the fields of `folds` that the run was trained with"
        )
    return problems


def _noisy(title: str, teacher: Run, share: float, job: Job, store: Store) -> dict[int, np.ndarray]:
    """Return each teacher fold's probabilities of the noisy clips: it never saw the curated clips of that fold."""
    paths = {fold: split_path("noisy", fold) for fold in range(job.num_folds)}
    fnames = job.dataset.noisy.fnames
    if not fnames:
        raise UserError(f"teacher.noisy is {share:g}, but {job.dataset.name} has no noisy clips")
    missing = [path for path in paths.values() if not store.has_file(teacher.id, path)]
    if missing:
        raise UserError(
            f"{title} has not predicted the noisy clips: it lacks {', '.join(missing)}; train it, or the members of an "
            "ensemble or stacker, with --set predict.noisy=true, or give teacher.noisy=0"
        )
    return {
        fold: _aligned(f"{title} in {path}", read_predictions(store, teacher, path), fnames, job)
        for fold, path in paths.items()
    }


def _aligned(title: str, table: pd.DataFrame, fnames: tuple[str, ...], job: Job) -> np.ndarray:
    """Return a table's probabilities [n, C] of clips `fnames`, in the job's order of classes."""
    table = table.set_index("fname")
    lacking = [fname for fname in fnames if fname not in table.index]
    if lacking:
        raise UserError(f"{title} has no probabilities of {count(len(lacking), 'clip')}, such as {lacking[0]}")
    return np.ascontiguousarray(table.loc[list(fnames), list(job.dataset.classes)].to_numpy(np.float32))
