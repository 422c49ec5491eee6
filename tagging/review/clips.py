"""The clips that are reviewed: curated and noisy ones, with what runs predicted for them out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tagging.config import Experiment
from tagging.contract import Kind
from tagging.data.dataset import Clips, Dataset
from tagging.data.findings import apart, quoted
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tagging.features.contents import same_sound
from tagging.jobs.inputs import data_folder, dataset_name
from tagging.jobs.prepare import open_features
from tagging.runs.finished import fold_numbers
from tagging.runs.predictions import mean_over_folds, read_out_of_fold
from tagging.runs.stored import stored_experiment
from tagging.tracking.store import Run, Store


@dataclass(frozen=True)
class ReviewedClips:
    """The N curated and n noisy clips that M runs predicted; a number 0..N+n-1 names a clip, curated ones first.

    `experiment`: of the first run, or of one below it that learns from sound. `dataset`: as it is now, clips that were
    not predicted included. `out_of_fold` [M, N, C] and `noisy_mean` [n, C] are probabilities; n is 0 where no run
    predicted the noisy clips. Clips with equal numbers in `same` [N + n] are the same sound.
    """

    runs: tuple[Run, ...]
    experiment: Experiment
    dataset: Dataset
    curated: Clips
    noisy: Clips
    out_of_fold: np.ndarray
    noisy_mean: np.ndarray
    same: np.ndarray

    @cached_property
    def fnames(self) -> tuple[str, ...]:
        """The names of all clips."""
        return (*self.curated.fnames, *self.noisy.fnames)

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """The files of all clips."""
        return (*self.curated.paths, *self.noisy.paths)

    @cached_property
    def given(self) -> np.ndarray:
        """The labels [N + n, C] bool that the tables have."""
        return np.concatenate([self.curated.labels, self.noisy.labels]).astype(bool)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The mean [N + n, C] of the runs' probabilities."""
        return np.concatenate([self.out_of_fold.mean(axis=0), self.noisy_mean])

    def names(self, labels: np.ndarray) -> list[str]:
        """Return the names of labels [C] bool."""
        return [self.dataset.classes[index] for index in np.flatnonzero(labels)]


def read_clips(store: Store, runs: Sequence[Run], data: Path | None = None) -> ReviewedClips:
    """Read what some runs predicted, and the data set as it is now; `data` is its folder where it moved.

    Raises UserError where the runs do not fit each other, or the data set lacks clips or has other classes.
    """
    predicted = read_out_of_fold(store, runs)
    experiment = stored_experiment(store, _learns_from_sound(store, runs[0]), data=data)
    dataset = read_dataset(data_folder(experiment), dataset_name(experiment))
    if dataset.classes != predicted.classes:
        raise UserError(
            f"{dataset.folder} has other classes than {runs[0].title} "
            f"({apart(dataset.classes, predicted.classes) or 'in another order'}); name the right folder with --data"
        )
    curated = _rows(dataset.curated, predicted.fnames, runs[0])
    noisy_names, noisy_mean = _noisy(store, runs, len(dataset.classes))
    noisy = _rows(dataset.noisy, noisy_names, runs[0])
    sounds = same_sound(open_features(experiment, dataset))
    return ReviewedClips(
        runs=tuple(runs),
        experiment=experiment,
        dataset=dataset,
        curated=dataset.curated.keep(curated >= 0),
        noisy=dataset.noisy.keep(noisy >= 0),
        out_of_fold=predicted.probabilities[:, curated[curated >= 0]],
        noisy_mean=noisy_mean[noisy[noisy >= 0]],
        same=sounds[: len(curated) + len(noisy)][np.concatenate([curated, noisy]) >= 0],
    )


def _learns_from_sound(store: Store, run: Run) -> Run:
    """Return a run, or the first one below it, that learns from sound."""
    if run.kind != Kind.ENSEMBLE and run.predicts_as != Kind.STACKER:
        return run
    from tagging.predicting.tagger import predicts_from_sound, with_members  # with torch

    return next(one for one in with_members(store, run) if predicts_from_sound(one))


def _rows(clips: Clips, predicted: Sequence[str], run: Run) -> np.ndarray:
    """Return of each clip [N] int64 its row in what was predicted, -1 where it was not; UserError for lost clips."""
    row_of = {fname: row for row, fname in enumerate(predicted)}
    if lost := sorted(row_of.keys() - set(clips.fnames)):
        raise UserError(
            f"{run.title} predicted clips that {clips.table} does not list now: {quoted(lost)}; "
            "bring them back, or name the right folder with --data"
        )
    return np.array([row_of.get(fname, -1) for fname in clips.fnames], np.int64)


def _noisy(store: Store, runs: Sequence[Run], classes: int) -> tuple[list[str], np.ndarray]:
    """Return the noisy clips that runs predicted, and the mean [n, C] of those runs; none where no run did."""
    found = [mean_over_folds(store, run, "noisy", fold_numbers(store, run)) for run in runs]
    tables = [table.set_index("fname") for table in found if table is not None]
    if not tables:
        return [], np.zeros((0, classes), np.float32)
    names = list(tables[0].index)
    return names, np.mean([table.reindex(names).to_numpy(np.float32) for table in tables], axis=0)
