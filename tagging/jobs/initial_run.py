"""`init.run`: the finished run whose weights the folds of an experiment start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tagging.config import Experiment, flatten
from tagging.config.load import leaf_text
from tagging.config.sections.models import TimmModel
from tagging.contract import FROM_SOUND, File, Tag
from tagging.errors import UserError
from tagging.jobs.inputs import dataset_name
from tagging.jobs.prepare import Prepared
from tagging.progress import warn
from tagging.report.wording import count
from tagging.runs.finished import finished_folds, named_run
from tagging.runs.stored import class_columns, other_classes, read_folds, read_predictions, stored_experiment
from tagging.tracking.store import Run, Store


@dataclass(frozen=True)
class Origin:
    """A run, its finished folds by number, and whose weights they predict with: best, last or ema."""

    run: Run
    folds: Mapping[int, Run]
    which: str

    @property
    def path(self) -> str:
        """The file in each fold's run that holds the weights to predict with."""
        from tagging.training.checkpoint import weights_file

        return weights_file(Path(File.CHECKPOINTS), self.which).as_posix()

    def weights(self, fold: int, store: Store) -> Path:
        """Return the weights that the run's fold of this number predicts with."""
        return store.fetch(self.folds[fold].id, self.path)


def find_origin(experiment: Experiment, store: Store) -> tuple[Experiment, Origin | None]:
    """Return the run that `init.run` means, and the experiment with its full id in that field.

    A name means a run of the experiment's own data set before those of others.
    Raises UserError where there is no such run, it is not finished, or it has no finished fold.
    """
    if not experiment.init.run:
        return experiment, None
    try:
        run = named_run(store, experiment.init.run, FROM_SOUND, dataset_name(experiment))
        origin = Origin(run, finished_folds(store, run), stored_experiment(store, run).predict.weights)
    except UserError as error:
        first, *rest = error.problems
        raise UserError(f"init.run: {first}", *rest) from None
    settled = experiment.init.model_copy(update={"run": run.id})
    return experiment.model_copy(update={"init": settled}), origin


def parentage(origin: Origin | None) -> dict[str, str]:
    """Return the tags by which a run says whose weights it started from; empty where they are its own."""
    return {Tag.INIT_RUN: origin.run.id, Tag.INIT_NAME: origin.run.name} if origin else {}


def check_origin(origin: Origin, prepared: Prepared, store: Store) -> None:
    """Stop where the run's weights do not fit, or would let a fold train on what it is tested with."""
    run = origin.run
    title = f"init.run: {run.title}"
    lacking = [fold for fold in prepared.folds_to_run if fold not in origin.folds]
    if lacking:
        raise UserError(
            f"{title} has no finished fold {lacking[0]}; it has {', '.join(map(str, sorted(origin.folds)))}: "
            "train that run's other folds first, or name those it has in training.folds"
        )
    _check_classes(title, origin, prepared, store)
    _check_fields(title, run, prepared.experiment)
    _check_weights(title, origin, prepared, store)
    _check_clips(title, read_folds(store, run), prepared)


def _check_classes(title: str, origin: Origin, prepared: Prepared, store: Store) -> None:
    if origin.run.tags.get(Tag.DATA_CLASSES) == prepared.data_tags()[Tag.DATA_CLASSES]:
        return
    fold = origin.folds[prepared.folds_to_run[0]]
    theirs = class_columns(read_predictions(store, fold, File.OOF))
    raise UserError(
        f"{title} was trained on other classes {other_classes(theirs, prepared.dataset.classes)}; "
        "name a run on the same classes"
    )


def _check_fields(title: str, run: Run, experiment: Experiment) -> None:
    """Stop where the log-mels are others: the weights know theirs alone."""
    other = _differing("features.", run, experiment, leaving_out="features.precision")
    if other:
        raise UserError(f"{title} was trained on other log-mels: {other}; give the features of that run")


def _differing(sections: str | tuple[str, ...], run: Run, experiment: Experiment, leaving_out: str = "") -> str:
    ours = {path: leaf_text(value) for path, value in flatten(experiment).items()}
    return ", ".join(
        f"{path} is {run.params.get(path, 'not known')} in that run, {text} here"
        for path, text in ours.items()
        if path.startswith(sections) and path != leaving_out and run.params.get(path) != text
    )


def _check_clips(title: str, theirs: pd.DataFrame, prepared: Prepared) -> None:
    """Stop where a clip that is held out here was trained on there; warn where that cannot be known."""
    before = dict(zip(theirs["fname"], theirs["fold"], strict=True))
    pairs = zip(prepared.dataset.curated.fnames, prepared.folds.tolist(), strict=True)
    leaking = [fname for fname, fold in pairs if before.get(fname, fold) != fold]
    if leaking:
        raise UserError(
            f"{title} has {count(len(leaking), 'clip')} in another fold, such as {leaking[0]}: its weights were "
            "trained on clips that are held out here; give the fields of `folds` that the run was trained with"
        )
    unknown = [fname for fname in prepared.dataset.curated.fnames if fname not in before]
    if unknown:
        warn(
            f"{title} does not know {len(unknown)} of the {count(len(prepared.folds), 'curated clip')} here, such as "
            f"{unknown[0]}: if it was trained on the same sound under other names, scores here are too good"
        )


def _check_weights(title: str, origin: Origin, prepared: Prepared, store: Store) -> None:
    """Stop where a fold's weights are not there, cannot be read, or are of another network."""
    import torch

    from tagging.jobs import build
    from tagging.training.checkpoint import fits

    experiment = prepared.experiment
    folds = prepared.folds_to_run
    model = build.model_of(experiment, len(prepared.dataset.classes), folds[0], torch.device("cpu"), bare=True)
    for fold in folds:
        child = origin.folds[fold]
        if not store.has_file(child.id, origin.path):
            raise UserError(
                f"{title} lacks the weights of fold {fold}: run {child.id} has no file {origin.path}; "
                "bring it back from a copy, or train that run again"
            )
        try:
            fit = fits(model, origin.weights(fold, store))
        except UserError as error:
            raise UserError(f"{title}, fold {fold}: {error}") from None
        if not fit:
            raise UserError(f"{title} has another network: {_other_network(origin.run, experiment)}")


def _other_network(run: Run, experiment: Experiment) -> str:
    # some networks of timm are built for a size; the number of bands is known to be the same
    sections = ("model.", "sampling.frames") if isinstance(experiment.model, TimmModel) else "model."
    other = _differing(sections, run, experiment)
    if not other:
        return "its fields are the same, its weights are not; train that run again with this version of the code"
    return f"{other}; give the fields of that run"
