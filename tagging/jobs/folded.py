"""What an experiment and a stacker have in common: curated clips with labels, cut into folds."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tagging import RECIPE_VERSION
from tagging.config import AnyRecipe
from tagging.config.load import numbers_digest
from tagging.contract import Tag
from tagging.data.dataset import Dataset
from tagging.errors import UserError
from tagging.report.pages import Member


@dataclass(frozen=True)
class Folded(ABC):
    """What is cross-validated: its config, and the clips, labels and folds that its folds share.

    `corrected` [N, C] are the curated targets after label lists, `removed` [N] marks curated clips they leave out of
    training; `folds` [N] is each curated clip's fold.
    """

    kind: ClassVar[str]  # of the run
    tables: ClassVar[tuple[str, ...]]  # of out-of-fold predictions

    experiment: AnyRecipe
    dataset: Dataset
    corrected: np.ndarray
    removed: np.ndarray
    folds: np.ndarray
    label_lists: tuple[Path, ...]
    warnings: tuple[str, ...]

    @property
    def num_folds(self) -> int:
        """The number of folds."""
        return int(self.folds.max()) + 1

    @property
    def folds_to_run(self) -> list[int]:
        """The folds the experiment asks for, all of them by default."""
        return sorted(set(self.experiment.training.folds)) or list(range(self.num_folds))

    @property
    @abstractmethod
    def predicting_epoch(self) -> str:
        """Whose weights predict: best, last or ema; empty where a fold is not trained epoch by epoch."""

    @property
    def members(self) -> Sequence[Member]:
        """The runs that a stacker learns from; none of an experiment."""
        return ()

    def data_tags(self) -> dict[str, str]:
        """Return the digests by which runs are found to be comparable."""
        fnames = self.dataset.curated.fnames
        return {
            Tag.DATA_CLASSES: digest(self.dataset.classes),
            Tag.DATA_CLIPS: digest(sorted(fnames)),
            Tag.DATA_FOLDS: digest(sorted(f"{fname}\t{fold}" for fname, fold in zip(fnames, self.folds, strict=True))),
        }

    def identity(self) -> dict[str, str]:
        """Return the tags that say what is computed, on which data."""
        return {Tag.FINGERPRINT: self.fingerprint(), **self.data_tags()}

    def fingerprint(self) -> str:
        """Return the sha256 of all that decides the numbers: config, classes, labels, folds and what they come from."""
        rows = json.dumps([self.dataset.classes, self._label_rows()])
        parts = [str(RECIPE_VERSION), numbers_digest(self.experiment), rows, *self._sources()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @abstractmethod
    def _sources(self) -> list[str]:
        """Return the digests of what is learned from."""

    def _label_rows(self) -> list[list[str]]:
        """Return (source, fname, labels, fold) of every training clip after label lists."""
        rows = zip(self.dataset.curated.fnames, self.corrected, self.removed, self.folds, strict=True)
        return [["curated", name, "removed" if gone else bits(own), str(fold)] for name, own, gone, fold in rows]


def check_folds_to_run(folded: Folded) -> None:
    """Stop where a fold is asked for that there is not, or where label lists leave one without clips."""
    wrong = [fold for fold in folded.folds_to_run if fold >= folded.num_folds]
    if wrong:
        raise UserError(f"training.folds asks for fold {wrong[0]}; allowed: 0 to {folded.num_folds - 1}, or [] for all")
    problems = []
    for fold in folded.folds_to_run:
        for mask, what in ((folded.folds == fold, "validate on"), (folded.folds != fold, "train on")):
            if not (mask & ~folded.removed).any():
                problems.append(f"fold {fold} has no curated clip left to {what}: labels.corrections removes them all")
    if problems:
        raise UserError(*problems)


def bits(labels: np.ndarray) -> str:
    """Return the numbers of the classes that a clip's labels [C] name."""
    return ",".join(map(str, np.flatnonzero(labels)))


def digest(lines: Sequence[str]) -> str:
    """Return the first 12 hex digits of the sha256 over some lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
