"""One fold of a stacker: trained on what the members say of the other folds' clips, then asked about all others."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tagging.contract import File, Metric, split_path
from tagging.jobs import build
from tagging.jobs.base_runs import read_half
from tagging.jobs.fold import prediction_table
from tagging.jobs.fold_training import FoldPlan, breaking_off, planned_epochs
from tagging.jobs.stacking.models import WEIGHTS, Examples, Predictor, fit, predictor_of
from tagging.jobs.stacking.prepare import PreparedStacker
from tagging.metrics import lwlrap
from tagging.progress import say
from tagging.sources import NAMES
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tagging.training.checkpoint import Checkpoints, save_weights
from tagging.training.history import EpochRecord
from tagging.training.loop import LoopSettings
from tagging.training.losses import SourceLoss, Term, bce
from tagging.training.tiles import ClipTiles, TileBatches, TileValidation


@dataclass(frozen=True)
class StackerStage:
    """What the folds of one process share on their device, moved there once."""

    prepared: PreparedStacker
    device: torch.device
    tiles: ClipTiles
    means: Tensor  # [N, F] over all tiles of each curated clip
    targets: Tensor  # [N, C]

    def examples(self) -> Examples:
        """Return what models without epochs are fitted on."""
        prepared = self.prepared
        return Examples(self.means.cpu().numpy(), prepared.corrected, prepared.folds, prepared.removed)

    def rows(self, fold: int, held_out: bool) -> Tensor:
        """Return the rows of the clips that a fold holds out, or of those it trains on, without removed ones."""
        prepared = self.prepared
        return torch.from_numpy(np.flatnonzero(((prepared.folds == fold) == held_out) & ~prepared.removed))


def stacker_stage(prepared: PreparedStacker) -> StackerStage:
    """Move the members' predictions and the targets to the device; scikit-learn's models have the CPU."""
    device = build.device_of(prepared.experiment) if prepared.predicting_epoch else torch.device("cpu")
    tiles = ClipTiles(torch.from_numpy(prepared.tiles).to(device), torch.from_numpy(prepared.lengths))
    return StackerStage(prepared, device, tiles, tiles.clip_means(), torch.from_numpy(prepared.corrected).to(device))


def stacker_fold_epochs(shared: StackerStage, fold: int, run: Run, parent: Run, store: Store) -> Iterator[EpochRecord]:
    """Train fold `fold` in `run` as `planned_epochs` does; a model of scikit-learn is fitted, without epochs."""
    if not shared.prepared.predicting_epoch:
        _fit_fold(shared, fold, run, parent, store)
        return

    def predict(model: torch.nn.Module) -> float:
        return predict_stacker_fold(shared, predictor_of(model), fold, run, parent, store)

    yield from planned_epochs(lambda: stacker_plan(shared, fold, predict), fold, run, store)


def stacker_plan(shared: StackerStage, fold: int, predict: Callable[[torch.nn.Module], float]) -> FoldPlan:
    """Return what is trained in a fold of a stacker with epochs; `predict` is asked when its best epoch is known."""
    prepared, stacker = shared.prepared, shared.prepared.experiment
    loss = SourceLoss([Term(bce, 1.0)] * len(NAMES), head_weights=(1.0,))
    held_out = shared.rows(fold, held_out=True).to(shared.device)
    return FoldPlan(
        parts=build.stacker_parts_of(
            stacker, prepared.tiles.shape[1], len(prepared.dataset.classes), fold, shared.device
        ),
        batches=_batches_of(shared, fold),
        loss=loss,
        validate=TileValidation(shared.means[held_out], shared.targets[held_out], loss),
        settings=LoopSettings(
            epochs=stacker.training.epochs,
            patience=stacker.early_stopping.patience,
            dtype=torch.float32,
            device=shared.device,
            seed=stacker.seed,
            fold=fold,
        ),
        folds=prepared.folds_to_run,
        predicting=prepared.predicting_epoch,
        predict=predict,
    )


def _batches_of(shared: StackerStage, fold: int) -> TileBatches:
    stacker = shared.prepared.experiment
    return TileBatches(
        tiles=shared.tiles,
        targets=shared.targets,
        clips=shared.rows(fold, held_out=False),
        crop_prob=stacker.augment.crop_prob,
        subset_prob=stacker.augment.subset_prob,
        batch_size=stacker.sampling.batch_size,
        draws_per_epoch=stacker.sampling.draws_per_epoch,
        seed=stacker.seed,
        fold=fold,
    )


def _fit_fold(shared: StackerStage, fold: int, run: Run, parent: Run, store: Store) -> None:
    """Fit a model of scikit-learn; log its weights and what it predicts."""
    stacker, started, work = shared.prepared.experiment, time.monotonic(), work_folder() / run.id
    with breaking_off(store.impatient(), run, Checkpoints(work)):
        model = fit(stacker, shared.examples(), fold)
        took = time.monotonic() - started
        save_weights(model, work / WEIGHTS)
        store.log_file(run.id, work / WEIGHTS, WEIGHTS.rpartition("/")[0])
        predict = predictor_of(model)
        score = predict_stacker_fold(shared, predict, fold, run, parent, store)
        rows = shared.rows(fold, held_out=True)
        said = predict(shared.means[rows].cpu().numpy())
        scores = {Metric.BEST_VAL: lwlrap(shared.prepared.corrected[rows], said)}
        store.log_metrics(run.id, {**scores, "fit_seconds": took})
        store.finish(run.id, "FINISHED")
    shutil.rmtree(work, ignore_errors=True)
    say(f"fold {fold}: lwlrap {score:.4f} ({time.monotonic() - started:.0f} s)")


def predict_stacker_fold(
    shared: StackerStage, predict: Predictor, fold: int, run: Run, parent: Run, store: Store
) -> float:
    """Predict the held-out clips, the test set, and the noisy clips where all members have; return the fold's lwlrap.

    Of noisy clips a fold hears the members' own fold alone, which has seen none of the clips it holds out.
    """
    prepared, curated = shared.prepared, shared.prepared.dataset.curated
    classes = prepared.dataset.classes
    held_out = np.flatnonzero(prepared.folds == fold)
    oof = predict(shared.means.cpu().numpy()[held_out])
    fnames = [curated.fnames[row] for row in held_out]
    store.log_table(run.id, prediction_table(fnames, oof, classes, fold=fold), File.OOF)
    halves = {"test": prepared.test, "noisy": read_half(prepared.runs, "noisy", store, fold)}
    for half, table in halves.items():
        if table is not None:
            said = predict(np.array(table.drop(columns="fname"), np.float32))
            part = prediction_table(list(table["fname"]), said, classes, fold=fold)
            store.log_table(parent.id, part, split_path(half, fold))
    score = lwlrap(curated.labels[held_out], oof)
    store.log_metrics(run.id, {Metric.FOLD_LWLRAP: score})
    return score
