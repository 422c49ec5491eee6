"""The finished runs that an experiment learns from: its initial run (`init.run`) and its teacher (`teacher.run`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tagging.config import AnyRecipe, Experiment, flatten
from tagging.config.load import leaf_text
from tagging.config.sections.models import TimmModel
from tagging.config.sections.training import Teacher
from tagging.contract import FROM_SOUND, WITH_PREDICTIONS, File, Tag, split_path
from tagging.errors import UserError
from tagging.jobs.inputs import dataset_name
from tagging.jobs.job import Job
from tagging.progress import warn
from tagging.report.wording import count
from tagging.runs.finished import check_lost, finished_folds, named_run
from tagging.runs.stored import class_columns, other_classes, read_folds, read_predictions, stored_experiment
from tagging.tracking.store import Run, Store

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class InitialRun:
    """A run, its finished fold runs by number, and which weights they predict with: best, last or ema."""

    store: Store
    run: Run
    folds: Mapping[int, Run]
    which: str

    @property
    def title(self) -> str:
        """The run, as messages name it."""
        return f"init.run: {self.run.title}"

    @property
    def path(self) -> str:
        """The file in each fold run that holds the weights to predict with."""
        from tagging.training.checkpoint import weights_file

        return weights_file(Path(File.CHECKPOINTS), self.which).as_posix()

    def weights(self, fold: int) -> Path:
        """Return the weights that the run's fold of this number predicts with."""
        return self.store.fetch(self.folds[fold].id, self.path)


def find_initial_run(experiment: Experiment, store: Store) -> tuple[Experiment, InitialRun | None]:
    """Return the run that `init.run` means, and the experiment with its full id in that field.

    A name means a run of the experiment's own data set before those of others.
    Raises UserError where there is no such run, it is not finished, or it has no finished fold.
    """
    if not experiment.init.run:
        return experiment, None
    with _naming("init.run"):
        run = named_run(store, experiment.init.run, FROM_SOUND, dataset_name(experiment))
        initial = InitialRun(store, run, finished_folds(store, run), stored_experiment(store, run).predict.weights)
    return experiment.changed("init.run", run.id), initial


def check_initial_run(initial: InitialRun, job: Job) -> None:
    """Raise UserError where the run's weights do not fit, or would let a fold train on what it is tested with."""
    title, fnames = initial.title, job.dataset.curated.fnames
    lacking = [fold for fold in job.folds_to_run if fold not in initial.folds]
    if lacking:
        raise UserError(
            f"{title} has no finished fold {lacking[0]}; it has {', '.join(map(str, sorted(initial.folds)))}: "
            "train that run's other folds first, or name those it has in training.folds"
        )
    if initial.run.tags.get(Tag.DATA_CLASSES) != job.data_tags()[Tag.DATA_CLASSES]:
        fold = initial.folds[job.folds_to_run[0]]
        raise UserError(_on_other_classes(title, class_columns(read_predictions(initial.store, fold, File.OOF)), job))
    # the weights fit their own log-mels alone
    if other := _differing("features.", initial.run, job.recipe, leaving_out="features.precision"):
        raise UserError(f"{title} was trained on other log-mels: {other}; give the features of that run")
    _check_weights(initial, job)
    folds = read_folds(initial.store, initial.run)
    if leaking := _in_other_folds(title, folds, job, "weights were trained on"):
        raise UserError(*leaking)
    known = set(folds["fname"])
    if unknown := [fname for fname in fnames if fname not in known]:
        warn(
            f"{title} does not know {len(unknown)} of the {count(len(fnames), 'curated clip')} here, such "
            f"as {unknown[0]}: if it was trained on the same sound under other names, scores here are too good"
        )


def _check_weights(initial: InitialRun, job: Job) -> None:
    """Stop where a fold's weights are missing, cannot be read, or are of another network."""
    from tagging.training.checkpoint import fits

    folds = job.folds_to_run
    model = job.bare_model(folds[0])
    for fold in folds:
        child = initial.folds[fold]
        if not initial.store.has_file(child.id, initial.path):
            raise UserError(
                f"{initial.title} lacks the weights of fold {fold}: run {child.id} has no file {initial.path}; "
                "bring it back from a copy, or train that run again"
            )
        try:
            fit = fits(model, initial.weights(fold))
        except UserError as error:
            raise UserError(f"{initial.title}, fold {fold}: {error}") from None
        if not fit:
            raise UserError(f"{initial.title} has another network: {_other_network(initial.run, job.recipe)}")


def _other_network(run: Run, experiment: AnyRecipe) -> str:
    # some networks of timm are built for a size; the number of bands is known to be the same
    sections = ("model.", "sampling.frames") if isinstance(experiment.model, TimmModel) else "model."
    other = _differing(sections, run, experiment)
    if not other:
        return "its fields are the same, its weights are not; train that run again with this version of the code"
    return f"{other}; give the fields of that run"


def _differing(sections: str | tuple[str, ...], run: Run, experiment: AnyRecipe, leaving_out: str = "") -> str:
    ours = {path: leaf_text(value) for path, value in flatten(experiment).items()}
    return ", ".join(
        f"{path} is {run.params.get(path, 'not known')} in that run, {text} here"
        for path, text in ours.items()
        if path.startswith(sections) and path != leaving_out and run.params.get(path) != text
    )


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
    with _naming("teacher.run"):
        run = named_run(store, teacher.run, WITH_PREDICTIONS, dataset_name(experiment))
        if run.kind not in WITH_PREDICTIONS:
            raise UserError(
                f"{run.title} is a {run.kind or 'foreign run'}; give an ensemble, experiment, stacker or trial"
            )
        check_lost(store, run)
    return experiment.changed("teacher.run", run.id), run


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
    theirs, before, now = class_columns(oof), set(oof["fname"]), set(job.dataset.curated.fnames)
    problems = [] if set(theirs) == set(job.dataset.classes) else [_on_other_classes(title, theirs, job)]
    only = [
        f"{count(len(some), 'clip')} only {place}, such as {min(some)}"
        for place, some in (("there", before - now), ("here", now - before))
        if some
    ]
    if only:
        problems.append(f"{title} was trained on other curated clips ({'; '.join(only)}); name a run on the same clips")
    return problems + _in_other_folds(title, oof, job, "probabilities were learnt from")


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


@contextmanager
def _naming(field: str) -> Iterator[None]:
    """Have the text of a UserError begin with the field that names the run."""
    try:
        yield
    except UserError as error:
        first, *rest = error.problems
        raise UserError(f"{field}: {first}", *rest) from None


def _on_other_classes(title: str, theirs: Sequence[str], job: Job) -> str:
    differ = other_classes(theirs, job.dataset.classes)
    return f"{title} was trained on other classes {differ}; name a run on the same classes"


def _in_other_folds(title: str, folds: pd.DataFrame, job: Job, learnt: str) -> list[str]:
    """Return a message where clips lie in other `folds` (fname, fold) of the run: what it `learnt` would leak."""
    before = dict(zip(folds["fname"], folds["fold"], strict=True))
    pairs = zip(job.dataset.curated.fnames, job.folds.tolist(), strict=True)
    moved = [fname for fname, fold in pairs if before.get(fname, fold) != fold]
    if not moved:
        return []
    return [
        f"{title} has {count(len(moved), 'clip')} in another fold, such as {moved[0]}: its {learnt} clips that are "
        "held out here; give the fields of `folds` that the run was trained with"
    ]
