"""What an experiment and a stacker have in common: labelled clips, cut into folds, and how a fold run is trained.

Imports torch once a fold is trained: a finished run is found without it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from tagging import RECIPE_VERSION
from tagging.config import AnyRecipe
from tagging.config.load import numbers_digest
from tagging.contract import DataUse, File, Metric, Tag, split_path
from tagging.data.dataset import Dataset
from tagging.errors import UserError, is_disk_full
from tagging.metrics import lwlrap
from tagging.progress import Bar, say
from tagging.report.pages import Linked, Member, page
from tagging.runs.stored import prediction_table
from tagging.tracking.epochs import EpochSender
from tagging.tracking.place import work_folder
from tagging.tracking.store import DataInput, Ending, Run, Store
from tagging.tracking.system_metrics import system_metrics

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tagging.training.checkpoint import Checkpoints
    from tagging.training.history import EpochRecord
    from tagging.training.loop import FoldTraining


@dataclass(frozen=True)
class Job(ABC):
    """An experiment or a stacker to be trained: its config, and the clips, labels and folds that its fold runs share.

    `corrected` [N, C] are the curated targets after label lists, `removed` [N] marks curated clips they leave out of
    training; `folds` [N] is each curated clip's fold.
    """

    kind: ClassVar[str]  # of the run
    tables: ClassVar[tuple[str, ...]]  # paths of out-of-fold predictions
    learns_from: ClassVar[str]  # as messages name it

    recipe: AnyRecipe
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
        """The folds the config asks for, all of them by default."""
        return sorted(set(self.recipe.training.folds)) or list(range(self.num_folds))

    @property
    @abstractmethod
    def predicting_epoch(self) -> str:
        """Whose weights predict: best, last or ema; empty where a fold is not trained epoch by epoch."""

    @property
    def members(self) -> Sequence[Member]:
        """The base runs of a stacker; none of an experiment."""
        return ()

    @property
    @abstractmethod
    def tags(self) -> dict[str, str]:
        """Tags of its run beside those of all runs: which runs it learns from, and whether labels leak by them."""

    def data_tags(self) -> dict[str, str]:
        """Return the digests by which runs are found to be comparable."""
        fnames = self.dataset.curated.fnames
        return {
            Tag.DATA_CLASSES: digest(self.dataset.classes),
            Tag.DATA_CLIPS: digest(sorted(fnames)),
            Tag.DATA_FOLDS: digest(sorted(f"{fname}\t{fold}" for fname, fold in zip(fnames, self.folds, strict=True))),
        }

    def fingerprint(self) -> str:
        """Return the sha256 of all that decides the numbers: config, classes, labels, folds and what they come from."""
        rows = json.dumps([self.dataset.classes, self._label_rows()])
        parts = [str(RECIPE_VERSION), numbers_digest(self.recipe), rows, *self._sources()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @abstractmethod
    def _sources(self) -> list[str]:
        """Return the digests of what is learned from."""

    def _label_rows(self) -> list[list[str]]:
        """Return (source, fname, labels, fold) of every training clip after label lists."""
        rows = zip(self.dataset.curated.fnames, class_lists(self.corrected), self.removed, self.folds, strict=True)
        return [["curated", name, "removed" if gone else own, str(fold)] for name, own, gone, fold in rows]

    def clips_of(self, fold: int) -> dict[str, list[list[str]]]:
        """Return (source, fname, labels) of the clips that fold `fold` reads, by their use (contract.DataUse).

        Labels are those after label lists in training, the original ones of held-out clips, none of test clips.
        """
        curated = self.dataset.curated
        held_out = np.flatnonzero(self.folds == fold)
        return {
            DataUse.TRAIN: self._training_rows(fold),
            DataUse.HELD_OUT: [
                ["curated", curated.fnames[row], labels]
                for row, labels in zip(held_out, class_lists(curated.labels[held_out]), strict=True)
            ],
            DataUse.TEST: [["test", fname, ""] for fname in self._test_fnames],
        }

    def _training_rows(self, fold: int) -> list[list[str]]:
        trained_on = np.flatnonzero((self.folds != fold) & ~self.removed)
        labels = class_lists(self.corrected[trained_on])
        return [["curated", self.dataset.curated.fnames[row], own] for row, own in zip(trained_on, labels, strict=True)]

    @property
    def _test_fnames(self) -> Sequence[str]:
        """The test clips that a fold predicts."""
        return self.dataset.test.fnames

    def data_inputs(self, fold: int) -> list[DataInput]:
        """Return the clips that a fold reads as the UI lists them, without uses that have none."""
        return [
            DataInput(
                use=use,
                name=self.dataset.name,
                digest=digest(["\t".join(row) for row in rows]),
                source=str(self.dataset.folder),
                counts=Counter(source for source, *_ in rows),
            )
            for use, rows in self.clips_of(fold).items()
            if rows
        ]

    def fold_page(self, fold: int, parent: Run, state: str, epochs: int = 0, **scores: float) -> str:
        """Return the description of a fold run: `state` is RUNNING, KILLED, FAILED or FINISHED, with `scores` then.

        `scores` are `lwlrap` and, of a fold that is trained epoch by epoch, `best_epoch`.
        """
        rows = self.clips_of(fold)
        return page(
            "fold",
            fold=fold,
            folds=self.num_folds,
            dataset=self.dataset.name,
            parent=Linked(parent.name, parent.link),
            parent_id=parent.id[:8],
            sweep_id=(parent.parent_id or "")[:8],  # empty of a run that is no trial
            kind=parent.kind,
            trained_on=Counter(source for source, *_ in rows[DataUse.TRAIN]),
            held_out=len(rows[DataUse.HELD_OUT]),
            test=len(rows[DataUse.TEST]),
            state=state,
            epochs=epochs,
            predicting=self.predicting_epoch,
            scores=scores,
        )

    def check_folds_to_run(self) -> None:
        """Raise UserError where the config asks for a fold that does not exist, or label lists leave one empty."""
        wrong = [fold for fold in self.folds_to_run if fold >= self.num_folds]
        if wrong:
            raise UserError(
                f"training.folds asks for fold {wrong[0]}; allowed: 0 to {self.num_folds - 1}, or [] for all"
            )
        problems = []
        for fold in self.folds_to_run:
            for mask, what in ((self.folds == fold, "validate on"), (self.folds != fold, "train on")):
                if not (mask & ~self.removed).any():
                    problems.append(
                        f"fold {fold} has no curated clip left to {what}: labels.corrections removes them all"
                    )
        if problems:
            raise UserError(*problems)

    @cached_property
    def device(self) -> torch.device:
        """Where it is trained."""
        from tagging.jobs.device import device_of

        return device_of(self.recipe)

    @abstractmethod
    def bare_model(self, fold: int) -> nn.Module:
        """Return a fold's network on the CPU, without its weights."""

    def parameters(self) -> int:
        """Return the number of a fold's weights; 0 where they are not a network's."""
        return sum(part.numel() for part in self.bare_model(0).parameters())

    @abstractmethod
    def begin(self, run: Run, store: Store) -> None:
        """Log and print what no other kind of run has, before the first fold."""

    def fold_epochs(self, fold: int, run: Run, parent: Run, store: Store) -> Iterator[EpochRecord]:
        """Train fold `fold` in `run` from its last checkpoint on, yield each epoch, and log what the fold predicts.

        Interrupted, or closed by the caller, it leaves its checkpoint in the work folder; interrupted, also in the run.
        """
        from tagging.training.checkpoint import Checkpoints, load_weights, weights_of
        from tagging.training.history import best_epoch
        from tagging.training.loop import epochs

        work, started = work_folder() / run.id, time.monotonic()
        checkpoints = Checkpoints(work)
        history: list[EpochRecord] = []
        with (
            self._fold_ends(fold, run, parent, store, checkpoints),
            system_metrics(store, run),
            EpochSender(store, run.id, work) as sender,
        ):
            training = self.training(fold)
            steps, number = training.batches.steps * training.settings.epochs, len(self.folds_to_run)
            place = self.folds_to_run.index(fold) + 1
            with Bar(f"fold {fold} ({place} of {number})", "step", steps, steps * (number - place)) as bar:
                for record in epochs(training, checkpoints, bar.update):
                    history.append(record)
                    sender.log_epoch(record.as_dict())
                    bar.note(f"epoch {record.epoch}, lwlrap {record.val_lwlrap:.3f}")
                    yield record
            sender.close([record.as_dict() for record in history])
            _upload_checkpoints(store, run.id, checkpoints)
            load_weights(training.parts.model, weights_of(checkpoints, self.predicting_epoch))
            score = self.predict_fold(training.parts.model, fold, run, parent, store)
            best = history[best_epoch(history) - 1]
            numbers = {"best_epoch": best.epoch, Metric.BEST_VAL: best.val_lwlrap, "epochs": len(history)}
            store.log_metrics(run.id, numbers)
            described = self.fold_page(fold, parent, "FINISHED", len(history), lwlrap=score, best_epoch=best.epoch)
            store.set_tags(run.id, {Tag.NOTE: described})
        shutil.rmtree(work, ignore_errors=True)
        say(f"fold {fold}: lwlrap {score:.4f} ({len(history)} epochs, {time.monotonic() - started:.0f} s)")

    @contextmanager
    def _fold_ends(self, fold: int, run: Run, parent: Run, store: Store, checkpoints: Checkpoints) -> Iterator[None]:
        """End a fold run as FINISHED, or, with all it has so far, as KILLED or FAILED."""
        try:
            yield
            store.finish(run.id, "FINISHED")
        except BaseException as error:
            hasty = store.impatient()
            state: Ending = "KILLED" if isinstance(error, (KeyboardInterrupt, GeneratorExit)) else "FAILED"
            with suppress(UserError):  # the store itself may be what failed
                history = checkpoints.history()
                hasty.log_epochs(run.id, [record.as_dict() for record in history])
                hasty.set_tags(run.id, {Tag.NOTE: self.fold_page(fold, parent, state, len(history))})
                hasty.finish(run.id, state)
                # a full disk has room for the store alone; who closes the epochs decides what becomes of them
                if not is_disk_full(error) and not isinstance(error, GeneratorExit):
                    _upload_checkpoints(hasty, run.id, checkpoints)
            raise

    @abstractmethod
    def training(self, fold: int) -> FoldTraining:
        """Return what the epochs of a fold train, on what, and how."""

    def predict_fold(self, model: nn.Module, fold: int, run: Run, parent: Run, store: Store) -> float:
        """Predict the held-out clips, the test set and the noisy clips as asked; return the fold's lwlrap.

        Out-of-fold tables stay with the fold run `run` until all folds are there; test and noisy predictions go to
        the parent at once. The lwlrap is that against the original labels.
        """
        curated, classes = self.dataset.curated, self.dataset.classes
        held_out = np.flatnonzero(self.folds == fold)
        oof, tables = self._held_out(model, fold, held_out)
        fnames = [curated.fnames[row] for row in held_out]
        store.log_table(run.id, prediction_table(fnames, oof, classes, fold=fold), File.OOF)
        for path, table in tables.items():
            store.log_table(run.id, table, path)
        for split, names, probabilities in self._other_splits(model, fold, store):
            table = prediction_table(names, probabilities, classes, fold=fold)
            store.log_table(parent.id, table, split_path(split, fold))
        score = lwlrap(curated.labels[held_out], oof)
        store.log_metrics(run.id, {Metric.FOLD_LWLRAP: score})
        return score

    @abstractmethod
    def stored_model(self, fold: int, run: Run, store: Store) -> nn.Module:
        """Return the network of a finished fold run, with the weights it predicts with, on the device."""

    @abstractmethod
    def _held_out(self, model: nn.Module, fold: int, clips: np.ndarray) -> tuple[np.ndarray, dict[str, pd.DataFrame]]:
        """Return the probabilities [n, C] of curated clips `clips` [n], and further tables of the fold run by path."""

    @abstractmethod
    def _other_splits(
        self, model: nn.Module, fold: int, store: Store
    ) -> Iterator[tuple[str, Sequence[str], np.ndarray]]:
        """Yield test and noisy clips, where there are any to predict: name of the split, fnames, probabilities."""


def _upload_checkpoints(store: Store, run_id: str, checkpoints: Checkpoints) -> None:
    """Store the newest and the best checkpoint with the run."""
    for name, folder in (("best", checkpoints.best()), ("last", checkpoints.last())):
        if folder is not None:
            store.log_folder(run_id, folder, f"{File.CHECKPOINTS}/{name}")


def class_lists(labels: np.ndarray) -> list[str]:
    """Return the numbers of the classes of each clip, joined by commas; labels [N, C] of 0 and 1."""
    clips, classes = np.nonzero(labels)
    ends = np.searchsorted(clips, np.arange(len(labels) + 1)).tolist()
    numbers = list(map(str, classes.tolist()))
    return [",".join(numbers[first:last]) for first, last in pairwise(ends)]


def digest(lines: Sequence[str]) -> str:
    """Return the first 12 hex digits of the sha256 over some lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
