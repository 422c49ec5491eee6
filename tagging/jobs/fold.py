"""One fold of an experiment: train it, predict with it, leave everything in its run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tagging.contract import File, Metric, split_path
from tagging.features.table import LogMels
from tagging.inference.blend import mean_over_tiles
from tagging.inference.predict import TileProbabilities
from tagging.jobs import build
from tagging.jobs.apply import predict_rows
from tagging.jobs.fold_training import FoldPlan, planned_epochs
from tagging.jobs.prepare import Prepared
from tagging.metrics import lwlrap
from tagging.tracking.store import Run, Store
from tagging.training import setup
from tagging.training.batches import TrainingBatches
from tagging.training.history import EpochRecord
from tagging.training.setup import TrainingClips
from tagging.training.validation import Validation


@dataclass(frozen=True)
class Stage:
    """What the folds of one process share on their device, moved there once."""

    prepared: Prepared
    device: torch.device
    logmels: LogMels
    targets: Tensor  # [rows of the store, C] labels to train on; test rows are zero

    @property
    def clips(self) -> TrainingClips:
        """What training needs of it."""
        return TrainingClips(self.logmels, self.targets, self.prepared.source_rows, self.device)


def stage(prepared: Prepared) -> Stage:
    """Move the log-mels and targets to the device; log-mels that do not fit stay mapped on the CPU."""
    device = build.device_of(prepared.experiment)
    logmels = prepared.features.logmels
    if device.type == "cuda" and logmels.frames.nbytes < 0.5 * torch.cuda.mem_get_info(device)[0]:
        logmels = logmels.to(device)
    targets = np.zeros((len(logmels), len(prepared.dataset.classes)), dtype=np.float32)
    targets[prepared.rows["curated"]] = prepared.corrected
    targets[prepared.rows["noisy"]] = prepared.dataset.noisy.labels
    return Stage(prepared, device, logmels, torch.from_numpy(targets).to(device))


def fold_epochs(
    shared: Stage, fold: int, run: Run, parent: Run, store: Store, start: Path | None = None
) -> Iterator[EpochRecord]:
    """Train fold `fold` in `run` as `planned_epochs` does; `start`: a file of weights to begin with."""
    experiment = shared.prepared.experiment

    def plan() -> FoldPlan:
        return FoldPlan(
            parts=build.parts_of(experiment, len(shared.prepared.dataset.classes), fold, shared.device, start),
            batches=batches_of(shared, fold),
            loss=build.loss_of(experiment).to(shared.device),
            validate=validation_of(shared, fold),
            settings=setup.loop_settings(build.fold_settings(experiment), fold, shared.device),
            folds=shared.prepared.folds_to_run,
            predicting=experiment.predict.weights,
            predict=lambda model: predict_fold(shared, model, fold, run.id, parent.id, store),
        )

    yield from planned_epochs(plan, fold, run, store)


def predict_fold(shared: Stage, model: torch.nn.Module, fold: int, run_id: str, parent_id: str, store: Store) -> float:
    """Predict the held-out clips, the test set and, when asked, the noisy clips; return the fold's lwlrap.

    The out-of-fold part stays with the fold's run until all are there; test and noisy predictions go to
    the parent at once. The lwlrap is that of tiles against the original labels.
    """
    prepared = shared.prepared
    dataset = prepared.dataset

    def predict(half: str, clips: np.ndarray) -> TileProbabilities:
        rows, label = prepared.rows[half][clips], f"fold {fold}: {half} clips"
        return predict_rows(prepared.experiment, model, shared.logmels, rows, shared.device, label)

    held_out = np.flatnonzero(prepared.folds == fold)
    tiles = predict("curated", held_out)
    fnames = [dataset.curated.fnames[row] for row in held_out]
    oof = mean_over_tiles(tiles.probabilities, tiles.clip, len(held_out))
    store.log_table(run_id, prediction_table(fnames, oof, dataset.classes, fold=fold), File.OOF)
    store.log_table(
        run_id,
        prediction_table(
            [fnames[clip] for clip in tiles.clip],
            tiles.probabilities,
            dataset.classes,
            fold=fold,
            tile=tiles.tile,
        ),
        File.OOF_TILES,
    )
    halves = {"test": dataset.test} | ({"noisy": dataset.noisy} if prepared.experiment.predict.noisy else {})
    for name, clips in halves.items():
        if len(clips):
            tiles = predict(name, np.arange(len(clips)))
            means = mean_over_tiles(tiles.probabilities, tiles.clip, len(clips))
            table = prediction_table(list(clips.fnames), means, dataset.classes, fold=fold)
            store.log_table(parent_id, table, split_path(name, fold))
    score = lwlrap(dataset.curated.labels[held_out], oof)
    store.log_metrics(run_id, {Metric.FOLD_LWLRAP: score})
    return score


def batches_of(shared: Stage, fold: int) -> TrainingBatches:
    """Return the maker of a fold's batches."""
    clips, lessons = shared.clips, shared.prepared.lessons
    if lessons:
        clips = replace(clips, targets=lessons.targets(clips.targets, fold))
    return setup.batches_of(build.fold_settings(shared.prepared.experiment), clips, fold)


def validation_of(shared: Stage, fold: int) -> Validation:
    """Return what looks at a fold's held-out clips, those that label lists remove left out; its loss drops none."""
    return setup.validation_of(build.fold_settings(shared.prepared.experiment), shared.clips, fold)


def prediction_table(
    fnames: list[str], probabilities: np.ndarray, classes: tuple[str, ...], **columns: int | np.ndarray
) -> pd.DataFrame:
    """Return fname, further columns and one float32 column a class, of probabilities [n, C]."""
    head = pd.DataFrame({"fname": fnames, **columns})
    return pd.concat([head, pd.DataFrame(probabilities, columns=list(classes))], axis=1)
