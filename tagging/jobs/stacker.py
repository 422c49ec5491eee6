"""A stacker as a job: the tiles that its base runs predicted, what its folds train on them, and how they predict.

Imports torch once a fold is trained, as job.py does.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from tagging.config import Stacker
from tagging.contract import LEFT_OUT, File, Kind, Metric, Tag
from tagging.data.dataset import Dataset
from tagging.data.folds import absent_classes
from tagging.errors import UserError
from tagging.jobs.base_runs import find_base_runs, read_split, read_tiles, tiles_digest
from tagging.jobs.inputs import read_lists
from tagging.jobs.job import Job, digest
from tagging.metrics import lwlrap
from tagging.progress import say
from tagging.report.pages import Member
from tagging.report.wording import count
from tagging.runs.leaks import leak_tags, leaks, warn_of_leaks
from tagging.runs.stored import read_folds
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tagging.tracking.system_metrics import system_metrics

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tagging.training.history import EpochRecord
    from tagging.training.loop import FoldTraining
    from tagging.training.tiles import ClipTiles


@dataclass(frozen=True)
class StackerJob(Job):
    """A stacker to be trained.

    `tiles` [T, F] are the base runs' out-of-fold probabilities of all tiles, clip after clip in the order of the
    curated clips, `lengths` [N] of them a clip; F is base runs times classes. `test` holds fname and F columns, None
    where a base run has none.
    """

    kind: ClassVar[str] = Kind.STACKER
    tables: ClassVar[tuple[str, ...]] = (File.OOF,)  # a mean over tiles goes in, so that there is nothing a tile
    learns_from: ClassVar[str] = "members' predictions"

    recipe: Stacker
    runs: tuple[Run, ...]
    digests: tuple[str, ...]  # of the base runs' out-of-fold predictions
    tiles: np.ndarray
    lengths: np.ndarray
    test: pd.DataFrame | None

    @property
    def predicting_epoch(self) -> str:
        """Whose weights predict: best; empty where the model is not trained epoch by epoch."""
        return "best" if self.recipe.model.kind == "fcnet" else ""

    @property
    def members(self) -> Sequence[Member]:
        """The base runs."""
        return [Member(run.name, run.link, run.score(Metric.CV_LWLRAP)) for run in self.runs]

    @property
    def tags(self) -> dict[str, str]:
        """Whether labels leak by its base runs."""
        return leak_tags(leaks(self.runs))

    def _sources(self) -> list[str]:
        return [f"{run.id} {file}" for run, file in zip(self.runs, self.digests, strict=True)]

    def begin(self, run: Run, store: Store) -> None:
        """Log the base runs, and warn of leaks by them."""
        members = [{"run": member.id, "name": member.name} for member in self.runs]
        store.log_json(run.id, {"members": members}, File.STACKER)
        warn_of_leaks(leaks(self.runs))

    @property
    def _test_fnames(self) -> Sequence[str]:
        return [] if self.test is None else list(self.test["fname"])

    @cached_property
    def device(self) -> torch.device:
        """Where it is trained; scikit-learn's models have the CPU."""
        import torch

        from tagging.jobs.device import device_of

        return device_of(self.recipe) if self.predicting_epoch else torch.device("cpu")

    @cached_property
    def clip_tiles(self) -> ClipTiles:
        """The tiles, on the device from the first use on."""
        import torch

        from tagging.training.tiles import ClipTiles

        return ClipTiles(torch.from_numpy(self.tiles).to(self.device), torch.from_numpy(self.lengths))

    @cached_property
    def means(self) -> Tensor:
        """The mean [N, F] over all tiles of each curated clip."""
        return self.clip_tiles.clip_means()

    def clips(self, fold: int, held_out: bool) -> np.ndarray:
        """Return the clips that a fold holds out, or those it trains on, without removed ones."""
        return np.flatnonzero(((self.folds == fold) == held_out) & ~self.removed)

    def bare_model(self, fold: int) -> nn.Module:
        """Return a fold's model on the CPU, with its initial weights."""
        from tagging.jobs.stacker_models import stacker_model

        return stacker_model(self.recipe, self.tiles.shape[1], len(self.dataset.classes), fold)

    def fold_epochs(self, fold: int, run: Run, parent: Run, store: Store) -> Iterator[EpochRecord]:
        """Train fold `fold` in `run` as any job's; a model of scikit-learn is fitted, without epochs."""
        if self.predicting_epoch:
            yield from super().fold_epochs(fold, run, parent, store)
        else:
            self._fit_fold(fold, run, parent, store)

    def training(self, fold: int) -> FoldTraining:
        """Return what the epochs of a fold train, on what, and how."""
        import torch

        from tagging.jobs.stacker_models import stacker_parts
        from tagging.sources import NAMES
        from tagging.training.loop import FoldTraining, LoopSettings
        from tagging.training.losses import SourceLoss, Term
        from tagging.training.tiles import TileBatches, TileValidation

        stacker, device = self.recipe, self.device
        loss = SourceLoss([Term("bce", {}, 1.0)] * len(NAMES), head_weights=(1.0,))
        targets = torch.from_numpy(self.corrected).to(device)
        held_out = torch.from_numpy(self.clips(fold, held_out=True)).to(device)
        return FoldTraining(
            parts=stacker_parts(stacker, self.bare_model(fold).to(device), device),
            batches=TileBatches(
                tiles=self.clip_tiles,
                targets=targets,
                clips=torch.from_numpy(self.clips(fold, held_out=False)),
                crop_prob=stacker.augment.crop_prob,
                subset_prob=stacker.augment.subset_prob,
                batch_size=stacker.sampling.batch_size,
                steps=stacker.sampling.steps,
                seed=stacker.seed,
                fold=fold,
            ),
            loss=loss,
            evaluate=TileValidation(self.means[held_out], targets[held_out], loss),
            settings=LoopSettings(
                epochs=stacker.training.epochs,
                patience=stacker.early_stopping.patience,
                dtype=torch.float32,
                device=device,
                seed=stacker.seed,
                fold=fold,
            ),
        )

    def _fit_fold(self, fold: int, run: Run, parent: Run, store: Store) -> None:
        """Fit a model of scikit-learn; log its weights and what it predicts."""
        from tagging.jobs.stacker_models import WEIGHTS, fit, predict_with
        from tagging.training.checkpoint import Checkpoints, save_weights

        started, work = time.monotonic(), work_folder() / run.id
        with self._fold_ends(fold, run, parent, store, Checkpoints(work)), system_metrics(store, run):
            means, clips = self.means.cpu().numpy(), self.clips(fold, held_out=False)
            model = fit(self.recipe, means[clips], self.corrected[clips], fold)
            took = time.monotonic() - started
            save_weights(model, work / WEIGHTS)
            store.log_file(run.id, work / WEIGHTS, WEIGHTS.rpartition("/")[0])
            score = self.predict_fold(model, fold, run, parent, store)
            clips = self.clips(fold, held_out=True)
            val_lwlrap = lwlrap(self.corrected[clips], predict_with(model, means[clips]))
            store.log_metrics(run.id, {Metric.BEST_VAL: val_lwlrap, "fit_seconds": took})
            store.set_tags(run.id, {Tag.NOTE: self.fold_page(fold, parent, "FINISHED", lwlrap=score)})
        shutil.rmtree(work, ignore_errors=True)
        say(f"fold {fold}: lwlrap {score:.4f} ({time.monotonic() - started:.0f} s)")

    def stored_model(self, fold: int, run: Run, store: Store) -> nn.Module:
        """Return the model of a finished fold run."""
        from tagging.jobs.stacker_models import restore_stacker

        return restore_stacker(self.recipe, len(self.dataset.classes), fold, run, self.device, store)

    def _held_out(self, model: nn.Module, fold: int, clips: np.ndarray) -> tuple[np.ndarray, dict[str, pd.DataFrame]]:
        from tagging.jobs.stacker_models import predict_with

        return predict_with(model, self.means.cpu().numpy()[clips]), {}

    def _other_splits(
        self, model: nn.Module, fold: int, store: Store
    ) -> Iterator[tuple[str, Sequence[str], np.ndarray]]:
        """Yield test clips, and noisy ones where all base runs have them.

        Of noisy clips a fold gets the base runs' own fold alone, which has seen none of the clips it holds out.
        """
        from tagging.jobs.stacker_models import predict_with

        for split, table in (("test", self.test), ("noisy", read_split(self.runs, "noisy", store, fold))):
            if table is not None:
                inputs = np.array(table.drop(columns="fname"), np.float32)
                yield split, list(table["fname"]), predict_with(model, inputs)


def prepare_stacker(stacker: Stacker, store: Store, dataset: Dataset) -> StackerJob:
    """Find the base runs, read the label list and the base runs' probabilities of the data set's clips.

    `members` of the config that comes back holds run ids. Raises UserError for any bad input, all problems of a step
    at once.
    """
    runs = find_base_runs(stacker, dataset.name, store)
    assigned = read_folds(store, runs[0]).set_index("fname")["fold"]
    known = np.isin(dataset.curated.fnames, assigned.index)
    unknown = f"{LEFT_OUT}{count(int((~known).sum()), 'curated clip')} that the members were not trained on"
    dataset = replace(dataset, curated=dataset.curated.keep(known))
    _check_data(dataset, runs[0])
    folds = np.array(assigned.loc[list(dataset.curated.fnames)], np.int64)
    lists = read_lists(stacker, dataset)
    tiles, lengths = read_tiles(runs, dataset.curated.fnames, store)
    trained_on = np.where(lists.removed[:, None], 0, lists.corrected)
    job = StackerJob(
        recipe=stacker.changed("members", tuple(run.id for run in runs)),
        dataset=dataset,
        corrected=lists.corrected,
        removed=lists.removed,
        folds=folds,
        label_lists=lists.paths,
        warnings=(
            *dataset.warnings,
            *([] if known.all() else [unknown]),
            *lists.warnings,
            *absent_classes(folds, trained_on, dataset.classes),
        ),
        runs=tuple(runs),
        digests=tuple(tiles_digest(run, store) for run in runs),
        tiles=tiles,
        lengths=lengths,
        test=read_split(runs, "test", store),
    )
    job.check_folds_to_run()
    _check_gate(job)
    return job


def _check_data(dataset: Dataset, run: Run) -> None:
    """Stop where the folder is not the one that a base run was trained on."""
    ours = {Tag.DATA_CLASSES: digest(dataset.classes), Tag.DATA_CLIPS: digest(sorted(dataset.curated.fnames))}
    other = [tag.removeprefix("data.") for tag, value in ours.items() if run.tags.get(tag) != value]
    if other:
        raise UserError(
            f"{dataset.folder} is not the data that {run.title} was trained on: it has other {' and '.join(other)}; "
            "name the right folder with --data"
        )


def _check_gate(job: StackerJob) -> None:
    model, inputs = job.recipe.model, job.tiles.shape[1]
    if model.kind == "fcnet" and model.reduction > inputs:
        raise UserError(
            f"model.reduction is {model.reduction}, but {count(len(job.runs), 'member')} of "
            f"{count(len(job.dataset.classes), 'class')} give {inputs} inputs; it must be {inputs} or less"
        )
