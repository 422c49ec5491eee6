"""The initial run of an experiment (`init.run`): a finished run with the initial weights of its folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tagging.config import AnyRecipe, Experiment, flatten
from tagging.config.load import leaf_text
from tagging.config.sections.models import TimmModel
from tagging.contract import FROM_SOUND, File, Tag
from tagging.errors import UserError
from tagging.jobs.inputs import dataset_name
from tagging.jobs.job import Job
from tagging.progress import warn
from tagging.report.wording import count
from tagging.runs.finished import finished_folds, named_run
from tagging.runs.stored import class_columns, other_classes, read_folds, read_predictions, stored_experiment
from tagging.tracking.store import Run, Store


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
    try:
        run = named_run(store, experiment.init.run, FROM_SOUND, dataset_name(experiment))
        initial = InitialRun(store, run, finished_folds(store, run), stored_experiment(store, run).predict.weights)
    except UserError as error:
        first, *rest = error.problems
        raise UserError(f"init.run: {first}", *rest) from None
    settled = experiment.init.model_copy(update={"run": run.id})
    return experiment.model_copy(update={"init": settled}), initial


def check_initial_run(initial: InitialRun, job: Job) -> None:
    """Raise UserError where the run's weights do not fit, or would let a fold train on what it is tested with."""
    lacking = [fold for fold in job.folds_to_run if fold not in initial.folds]
    if lacking:
        raise UserError(
            f"{initial.title} has no finished fold {lacking[0]}; it has {', '.join(map(str, sorted(initial.folds)))}: "
            "train that run's other folds first, or name those it has in training.folds"
        )
    _check_classes(initial, job)
    # the weights fit their own log-mels alone
    if other := _differing("features.", initial.run, job.recipe, leaving_out="features.precision"):
        raise UserError(f"{initial.title} was trained on other log-mels: {other}; give the features of that run")
    _check_weights(initial, job)
    _check_clips(initial, job)


def _check_classes(initial: InitialRun, job: Job) -> None:
    if initial.run.tags.get(Tag.DATA_CLASSES) == job.data_tags()[Tag.DATA_CLASSES]:
        return
    fold = initial.folds[job.folds_to_run[0]]
    theirs = class_columns(read_predictions(initial.store, fold, File.OOF))
    raise UserError(
        f"{initial.title} was trained on other classes {other_classes(theirs, job.dataset.classes)}; "
        "name a run on the same classes"
    )


def _differing(sections: str | tuple[str, ...], run: Run, experiment: AnyRecipe, leaving_out: str = "") -> str:
    ours = {path: leaf_text(value) for path, value in flatten(experiment).items()}
    return ", ".join(
        f"{path} is {run.params.get(path, 'not known')} in that run, {text} here"
        for path, text in ours.items()
        if path.startswith(sections) and path != leaving_out and run.params.get(path) != text
    )


def _check_clips(initial: InitialRun, job: Job) -> None:
    """Stop where a clip that is held out here was trained on there; warn where that cannot be known."""
    theirs = read_folds(initial.store, initial.run)
    before = dict(zip(theirs["fname"], theirs["fold"], strict=True))
    pairs = zip(job.dataset.curated.fnames, job.folds.tolist(), strict=True)
    leaking = [fname for fname, fold in pairs if before.get(fname, fold) != fold]
    if leaking:
        raise UserError(
            f"{initial.title} has {count(len(leaking), 'clip')} in another fold, such as {leaking[0]}: its weights "
            "were trained on clips that are held out here; give the fields of `folds` that the run was trained with"
        )
    unknown = [fname for fname in job.dataset.curated.fnames if fname not in before]
    if unknown:
        warn(
            f"{initial.title} does not know {len(unknown)} of the {count(len(job.folds), 'curated clip')} here, such "
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
