"""Apply a fold's network: get it back from its run, predict clips with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tagging.config import Experiment
from tagging.contract import File
from tagging.features.deltas import Deltas
from tagging.features.table import LogMels
from tagging.inference.blend import check_finite
from tagging.inference.predict import TileProbabilities, autocast_dtype, predict_tiles
from tagging.jobs import build
from tagging.progress import Bar
from tagging.tracking.store import Store
from tagging.training.checkpoint import load_weights, weights_file

TRAIN_AGAIN = "train with a lower optimizer.lr, or with training.precision=float32"


def restore_model(
    experiment: Experiment, num_classes: int, fold: int, run_id: str, device: torch.device, store: Store
) -> torch.nn.Module:
    """Return the network of a finished fold with the weights that the experiment predicts with."""
    model = build.model_of(experiment, num_classes, fold, device, bare=True)
    path = weights_file(Path(File.CHECKPOINTS), experiment.predict.weights)
    with store.reading(run_id, path.as_posix()) as local:
        load_weights(model, local)
    return model


def predict_rows(
    experiment: Experiment,
    model: torch.nn.Module,
    logmels: LogMels,
    rows: np.ndarray,
    device: torch.device,
    label: str,
) -> TileProbabilities:
    """Predict the tiles of `rows` [n], indices into `logmels`, as the experiment says.

    `label` names the bar, and the network in a message: UserError where its output is not finite.
    """
    with Bar(label, "tile") as bar:
        tiles = predict_tiles(
            model,
            logmels,
            rows,
            Deltas(),
            experiment.sampling.frames,
            experiment.predict.tile_step,
            experiment.predict.batch_size,
            device,
            autocast_dtype(experiment.training.precision, device),
            bar.reach,
        )
    check_finite(tiles.probabilities, f"{label}, the network's output", TRAIN_AGAIN)
    return tiles
