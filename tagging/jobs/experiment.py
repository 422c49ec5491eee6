"""An experiment as a job: what its folds read, what they train, and how they predict.

Imports torch once a fold is trained, as job.py does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from tagging.config import Experiment
from tagging.contract import File, Kind, Tag
from tagging.features.store import FeatureStore
from tagging.jobs.earlier_runs import InitialRun, SoftTargets
from tagging.jobs.job import Job, class_lists
from tagging.jobs.user_files import log_user_files
from tagging.progress import say, warn
from tagging.runs.leaks import leak_tags, leaks, warn_of_leaks
from tagging.runs.stored import prediction_table
from tagging.tracking.store import Run, Store

if TYPE_CHECKING:
    from torch import nn

    from tagging.inference.predict import TileProbabilities
    from tagging.training.loop import FoldTraining
    from tagging.training.sampling import SourceRows
    from tagging.training.setup import TrainingClips


@dataclass(frozen=True)
class ExperimentJob(Job):
    """An experiment to be trained.

    The log-mels of the store lie in the order curated, noisy, test; `trusted` and `dropped` mark noisy clips.
    """

    kind: ClassVar[str] = Kind.EXPERIMENT
    tables: ClassVar[tuple[str, ...]] = (File.OOF, File.OOF_TILES)
    learns_from: ClassVar[str] = "sound"

    recipe: Experiment
    features: FeatureStore
    rows: dict[str, np.ndarray]  # curated, noisy, test -> indices into the store
    trusted: np.ndarray
    dropped: np.ndarray
    weights: str  # sha256 of the file the network's weights start from, "" without one
    initial: InitialRun | None = None
    teacher: Run | None = None
    soft_targets: SoftTargets | None = None  # of the teacher

    @property
    def predicting_epoch(self) -> str:
        """Whose weights predict: best, last or ema."""
        return self.recipe.predict.weights

    @property
    def noisy_pool(self) -> np.ndarray:
        """The mask of noisy clips that noisy draws come from."""
        return self.trusted if self.recipe.sampling.noisy_pool == "trusted" else ~self.dropped

    @property
    def source_rows(self) -> SourceRows:
        """What each row of the store is to training."""
        from tagging.training.sampling import SourceRows

        return SourceRows(
            curated=self.rows["curated"],
            noisy=self.rows["noisy"],
            folds=self.folds,
            removed=self.removed,
            noisy_pool=self.noisy_pool,
            trusted=self.trusted,
        )

    def _sources(self) -> list[str]:
        """Return the digests of the sound, of the initial weights, and of the teacher's probabilities."""
        return [
            "".join(self.features.content),
            *([self.weights] if self.weights else []),
            *([f"teacher {self.soft_targets.digest}"] if self.soft_targets else []),
        ]

    def _label_rows(self) -> list[list[str]]:
        split = self.dataset.noisy
        noisy = zip(split.fnames, class_lists(split.labels), self.trusted, self.dropped, strict=True)
        return [
            *super()._label_rows(),
            *(
                ["trusted" if trust else "dropped" if drop else "noisy", fname, labels, ""]
                for fname, labels, trust, drop in noisy
            ),
        ]

    def _training_rows(self, fold: int) -> list[list[str]]:
        """Add the noisy clips that batches draw from."""
        noisy, sampling = self.dataset.noisy, self.recipe.sampling
        labels = class_lists(noisy.labels)
        drawn = {"noisy": self.noisy_pool & bool(sampling.noisy), "trusted": self.trusted & bool(sampling.trusted)}
        return [
            *super()._training_rows(fold),
            *(
                [source, noisy.fnames[row], labels[row]]
                for source, mask in drawn.items()
                for row in np.flatnonzero(mask)
            ),
        ]

    @property
    def tags(self) -> dict[str, str]:
        """Its initial weights and run, its teacher and the teacher's probabilities, and whether labels leak by them."""
        initial, teacher = self.initial, self.teacher
        return {
            **({"weights.sha256": self.weights} if self.weights else {}),
            **({"teacher.sha256": self.soft_targets.digest} if self.soft_targets else {}),
            **({Tag.INIT_RUN: initial.run.id, Tag.INIT_NAME: initial.run.name} if initial else {}),
            **({Tag.TEACHER_RUN: teacher.id, Tag.TEACHER_NAME: teacher.name} if teacher else {}),
            **leak_tags(self._leaks),
        }

    @property
    def _leaks(self) -> list[str]:
        sources = [*([self.initial.run] if self.initial else []), *([self.teacher] if self.teacher else [])]
        return leaks(sources, self.recipe.teacher.curated)

    def begin(self, run: Run, store: Store) -> None:
        """Keep the user's files; print initial run, teacher, leaks by them, and a precision that the device lacks."""
        import torch

        from tagging.inference.predict import autocast_dtype

        log_user_files(store, run, self.recipe)
        if self.initial:
            start = self.initial.run
            say(f"the weights start from those of {start.title} of data set {start.dataset}")
        if self.teacher:
            say(f"the targets hold probabilities of {self.teacher.title} of data set {self.teacher.dataset}")
        wanted = self.recipe.training.precision
        if wanted == "bf16" and autocast_dtype(wanted, self.device) is torch.float32:
            name = "processor" if self.device.type == "cpu" else "GPU"
            warn(f"this {name} has no instructions for bf16 and would imitate it slowly: computing in float32")
            store.set_tags(run.id, {"autocast": "float32"})
        warn_of_leaks(self._leaks)

    @cached_property
    def clips(self) -> TrainingClips:
        """The log-mels and the targets, on the device from the first use on.

        Log-mels that do not fit stay mapped on the CPU. Targets [rows of the store, C] are labels to train on; those
        of test clips are zero.
        """
        import torch

        from tagging.training.setup import TrainingClips

        device, logmels = self.device, self.features.logmels
        if device.type == "cuda" and logmels.frames.nbytes < 0.5 * torch.cuda.mem_get_info(device)[0]:
            logmels = logmels.to(device)
        targets = np.zeros((len(logmels), len(self.dataset.classes)), dtype=np.float32)
        targets[self.rows["curated"]] = self.corrected
        targets[self.rows["noisy"]] = self.dataset.noisy.labels
        return TrainingClips(logmels, torch.from_numpy(targets).to(device), self.source_rows, device)

    def bare_model(self, fold: int) -> nn.Module:
        """Return a fold's network on the CPU, without its weights."""
        import torch

        from tagging.jobs.build import model_of

        return model_of(self.recipe, len(self.dataset.classes), fold, torch.device("cpu"), bare=True)

    def training(self, fold: int) -> FoldTraining:
        """Return what the epochs of a fold train, on what, and how."""
        from tagging.jobs.build import fold_settings, model_of
        from tagging.training.checkpoint import load_weights
        from tagging.training.setup import fold_training

        model = model_of(self.recipe, len(self.dataset.classes), fold, self.device, bare=bool(self.initial))
        if self.initial:
            load_weights(model, self.initial.weights(fold))
        targets = self.soft_targets.mixed_into(self.clips.targets, fold) if self.soft_targets else None
        return fold_training(model, fold_settings(self.recipe), self.clips, fold, targets)

    def stored_model(self, fold: int, run: Run, store: Store) -> nn.Module:
        """Return the network of a finished fold run, with the weights it predicts with, on the device."""
        from tagging.jobs.build import restore_model

        return restore_model(self.recipe, len(self.dataset.classes), fold, run.id, self.device, store)

    def _held_out(self, model: nn.Module, fold: int, clips: np.ndarray) -> tuple[np.ndarray, dict[str, pd.DataFrame]]:
        from tagging.inference.blend import mean_over_tiles

        tiles = self._tiles(model, fold, "curated", clips)
        fnames = [self.dataset.curated.fnames[clips[clip]] for clip in tiles.clip]
        table = prediction_table(fnames, tiles.probabilities, self.dataset.classes, fold=fold, tile=tiles.tile)
        return mean_over_tiles(tiles.probabilities, tiles.clip, len(clips)), {File.OOF_TILES: table}

    def _other_splits(
        self, model: nn.Module, fold: int, store: Store
    ) -> Iterator[tuple[str, Sequence[str], np.ndarray]]:
        from tagging.inference.blend import mean_over_tiles

        splits = {"test": self.dataset.test} | ({"noisy": self.dataset.noisy} if self.recipe.predict.noisy else {})
        for name, clips in splits.items():
            if len(clips):
                tiles = self._tiles(model, fold, name, np.arange(len(clips)))
                yield name, clips.fnames, mean_over_tiles(tiles.probabilities, tiles.clip, len(clips))

    def _tiles(self, model: nn.Module, fold: int, split: str, clips: np.ndarray) -> TileProbabilities:
        from tagging.jobs.build import predict_rows

        rows, label = self.rows[split][clips], f"fold {fold}: {split} clips"
        return predict_rows(self.recipe, model, self.clips.logmels, rows, self.device, label)
