"""What is trained, seen alike: an experiment or a stacker, prepared and asked for the epochs of a fold.

Imports torch, and what trains, once a fold is trained: what was trained before is found without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from tagging.config import AnyRecipe, Experiment, Stacker
from tagging.jobs.folded import Folded
from tagging.jobs.initial_run import check_origin, find_origin, parentage
from tagging.jobs.inputs import Labelled, read_labelled
from tagging.jobs.prepare import Prepared, prepare
from tagging.jobs.stacking.prepare import log_stacker, prepare_stacker
from tagging.jobs.teacher import attend, find_teacher, teacher_tags
from tagging.progress import say, warn
from tagging.runs.leaks import leak_tags, leaks, warn_of_leaks
from tagging.tracking.store import Run, Store

if TYPE_CHECKING:
    import torch

    from tagging.jobs.fold import Stage
    from tagging.jobs.stacking.fold import StackerStage
    from tagging.training.history import EpochRecord

Prepare = Callable[[Experiment], Prepared]


class Job(Protocol):
    """Something to train: `prepared`, and `tags` that say what it came from."""

    @property
    def prepared(self) -> Folded:
        """What its folds share."""

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its run beside those of all runs."""

    @property
    def device(self) -> torch.device:
        """Where it is trained; what its folds share lies there from then on."""

    def parameters(self) -> int:
        """Return the number of a fold's weights; 0 where they are not a network's."""

    def begin(self, run: Run) -> None:
        """Say and log what no other kind of run has, before the first fold."""

    def fold_epochs(self, fold: int, run: Run, parent: Run) -> Iterator[EpochRecord]:
        """Train fold `fold` in `run`, yield each epoch, and log what it predicts."""


def check_machine(recipe: AnyRecipe) -> None:
    """Stop where the machine or a library cannot do what is asked for; torch is asked only where that can be."""
    anywhere = recipe.device in ("auto", "cpu")
    if anywhere and not (isinstance(recipe, Experiment) and (recipe.training.compile or recipe.model.kind == "timm")):
        return
    from tagging.jobs.build import check_compile, check_model, device_of

    device = device_of(recipe)
    if isinstance(recipe, Experiment):
        check_compile(recipe, device)
        check_model(recipe)


def job_of(recipe: AnyRecipe, store: Store, labelled: Labelled | None = None, by: Prepare | None = None) -> Job:
    """Prepare an experiment or a stacker; `labelled` where its tables are read already, `by` another way to prepare.

    Raises UserError for bad input.
    """
    if isinstance(recipe, Stacker):
        return StackerJob(recipe, store, labelled or read_labelled(recipe))
    return ExperimentJob(recipe, store, by or partial(prepare, labelled=labelled))


def _weights(model: torch.nn.Module) -> int:
    return sum(part.numel() for part in model.parameters())


class ExperimentJob:
    """An experiment, the run whose weights it starts from and the one it learns from, where there are such."""

    def __init__(self, experiment: Experiment, store: Store, prepare: Prepare) -> None:
        self._store = store
        experiment, self._origin = find_origin(experiment, store)
        experiment, self._teacher = find_teacher(experiment, store)
        prepared = prepare(experiment)
        if self._origin:
            check_origin(self._origin, prepared, store)
        self.prepared = attend(self._teacher, prepared, store)
        sources = [*([self._origin.run] if self._origin else []), *([self._teacher] if self._teacher else [])]
        self._leaks = leaks(sources, experiment.teacher.curated)

    @property
    def tags(self) -> dict[str, str]:
        """Whose weights it started from, who taught it, and whether labels leak by that."""
        return {**parentage(self._origin), **teacher_tags(self._teacher), **leak_tags(self._leaks)}

    @property
    def device(self) -> torch.device:
        """Where it is trained."""
        return self._stage.device

    def parameters(self) -> int:
        """Return the number of a fold's weights."""
        import torch

        from tagging.jobs.build import model_of

        classes = len(self.prepared.dataset.classes)
        return _weights(model_of(self.prepared.experiment, classes, 0, torch.device("cpu"), bare=True))

    def begin(self, run: Run) -> None:
        """Say whose weights it starts from, who teaches it, and what leaks by that."""
        if self._origin:
            start = self._origin.run
            say(f"the weights start from those of {start.title} of data set {start.dataset}")
        if self._teacher:
            teacher = self._teacher
            say(f"the targets hold what {teacher.title} of data set {teacher.dataset} says")
        self._tell_precision(run)
        warn_of_leaks(self._leaks)

    def _tell_precision(self, run: Run) -> None:
        import torch

        from tagging.inference.predict import autocast_dtype

        wanted = self.prepared.experiment.training.precision
        if wanted == "bf16" and autocast_dtype(wanted, self.device) is torch.float32:
            name = "processor" if self.device.type == "cpu" else "GPU"
            warn(f"this {name} has no instructions for bf16 and would imitate it slowly: computing in float32")
            self._store.set_tags(run.id, {"autocast": "float32"})

    def fold_epochs(self, fold: int, run: Run, parent: Run) -> Iterator[EpochRecord]:
        """Train a fold as `fold.fold_epochs` does."""
        from tagging.jobs.fold import fold_epochs

        start = self._origin.weights(fold, self._store) if self._origin else None
        return fold_epochs(self._stage, fold, run, parent, self._store, start)

    @cached_property
    def _stage(self) -> Stage:
        from tagging.jobs.fold import stage

        return stage(self.prepared)


class StackerJob:
    """A stacker and its members."""

    def __init__(self, stacker: Stacker, store: Store, labelled: Labelled) -> None:
        self._store = store
        self.prepared = prepare_stacker(stacker, store, labelled.dataset)
        self._leaks = leaks(self.prepared.runs)
        self.tags = leak_tags(self._leaks)

    @property
    def device(self) -> torch.device:
        """Where it is trained."""
        return self._stage.device

    def parameters(self) -> int:
        """Return the number of a fold's weights; 0 for trees."""
        from tagging.jobs.build import stacker_of

        stacker = self.prepared.experiment
        return _weights(stacker_of(stacker, self.prepared.tiles.shape[1], len(self.prepared.dataset.classes)))

    def begin(self, run: Run) -> None:
        """Log the members, and say what leaks by them."""
        log_stacker(self._store, run, self.prepared)
        warn_of_leaks(self._leaks)

    def fold_epochs(self, fold: int, run: Run, parent: Run) -> Iterator[EpochRecord]:
        """Train a fold as `stacker_fold_epochs` does."""
        from tagging.jobs.stacking.fold import stacker_fold_epochs

        return stacker_fold_epochs(self._stage, fold, run, parent, self._store)

    @cached_property
    def _stage(self) -> StackerStage:
        from tagging.jobs.stacking.fold import stacker_stage

        return stacker_stage(self.prepared)
