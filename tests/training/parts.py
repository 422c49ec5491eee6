"""A training small enough to run in a second: three classes of synthetic log-mels, a tiny network."""

from __future__ import annotations

from pathlib import Path

import torch

from tagging.augment.mixers import MixSettings
from tagging.augment.views import ViewSettings
from tagging.config import load
from tagging.features.table import LogMels
from tagging.inference.predict import autocast_dtype
from tagging.jobs import build
from tagging.jobs.build import model_of
from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.training import setup
from tagging.training.batches import TrainingBatches
from tagging.training.checkpoint import Checkpoints
from tagging.training.history import EpochRecord
from tagging.training.loop import FoldTraining, LoopSettings, epochs
from tagging.training.sampling import SourcePools
from tagging.training.validation import Validation
from tests.features.tables import table_of

CPU = torch.device("cpu")
OVERRIDES = (
    "sampling.frames=32 predict.tile_step=32 features.n_mels=16 model.base_size=2 model.cbam_ratio=4 optimizer.lr=1e-2"
)


class Training:
    """One fold over synthetic clips, put together by the real builders."""

    def __init__(self, folder: Path, *overrides: str, epochs: int = 4, patience: int | None = None) -> None:
        self.experiment = load("base", [f"{OVERRIDES} training.precision=float32", *overrides])
        logmels, targets = clips()
        how = build.fold_settings(self.experiment)
        views, mixes = build.view_settings(self.experiment), build.mix_settings(self.experiment)
        self.parts = setup.parts_of(model_of(self.experiment, 3, 0, CPU), how, CPU)
        self.batches = batches(logmels, targets, views, mixes)
        self.loss = setup.loss_of(how)
        dtype = autocast_dtype(self.experiment.training.precision, CPU)
        held_out = torch.arange(24, 30)
        self.validate = Validation(logmels, held_out, targets[held_out], self.loss, 32, 4, CPU, dtype)
        self.settings = LoopSettings(epochs, patience, dtype, CPU, seed=1, fold=0)
        self.checkpoints = Checkpoints(folder)
        self.steps = 0

    def fit(self) -> list[EpochRecord]:
        training = FoldTraining(self.parts, self.batches, self.loss, self.validate, self.settings)
        return list(epochs(training, self.checkpoints, self.count))

    def count(self, steps: int) -> None:
        self.steps += steps


def clips() -> tuple[LogMels, torch.Tensor]:
    """Return 30 clips of 20 to 80 frames, each loud in the bands of its class, and their targets [30, 3]."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(30) % 3
    sounds = []
    for label in labels.tolist():
        frames = int(torch.randint(20, 81, (), generator=generator))
        sound = torch.randn(frames, 16, generator=generator) * 8 - 60
        sound[:, 5 * label : 5 * label + 5] += 20
        sounds.append(sound)
    return table_of(sounds), torch.nn.functional.one_hot(labels, 3).float()


def batches(logmels: LogMels, targets: torch.Tensor, views: ViewSettings, mixes: MixSettings) -> TrainingBatches:
    """Return batches of 8 from 16 curated and 8 noisy clips, two of them trusted."""
    pools = SourcePools(
        {CURATED: torch.arange(16), NOISY: torch.arange(16, 24), TRUSTED: torch.arange(16, 18)},
        {CURATED: 0.7, NOISY: 0.2, TRUSTED: 0.1},
    )
    return TrainingBatches(logmels, targets, pools, views, mixes, 8, 3, seed=1, fold=0, device="cpu")
