"""What a kernel trains on: the part of its plan about training, and the clips of a folder of labelled sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from tagging.data.audio import read_sound
from tagging.data.dataset import Dataset
from tagging.data.findings import limited
from tagging.data.label_lists import apply_corrections, select_noisy
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tagging.features.store import open_store
from tagging.kernel.plan import Network, Plan
from tagging.training.sampling import SourceRows
from tagging.training.setup import FoldSettings, TrainingClips


@dataclass(frozen=True)
class NetworkTraining:
    """How the folds of one network are trained.

    `corrections` and `selection` are label lists (fname -> new labels or "remove"), empty where there is none;
    `noisy_pool` says whether noisy draws come from all clips or from trusted clips alone, `weights` what a fold
    predicts with. Clips that cannot be decoded stop a training unless `skip_unreadable`.
    """

    settings: FoldSettings
    corrections: dict[str, str]
    selection: dict[str, str]
    noisy_pool: Literal["all", "trusted"]
    weights: Literal["best", "last", "ema"]
    skip_unreadable: bool


@dataclass(frozen=True)
class TrainingPlan:
    """A plan whose weights are made on the spot.

    `folds` holds the fnames of each fold; `networks` says how each network is trained, by its name.
    """

    plan: Plan
    folds: tuple[tuple[str, ...], ...]
    networks: dict[str, NetworkTraining]


def read_folder(folder: Path, training: TrainingPlan) -> Dataset:
    """Read a data set; raises UserError where its classes or its curated clips are not those of the folds."""
    dataset = read_dataset(folder)
    if dataset.classes != training.plan.classes:
        raise UserError(f"{folder}: its classes are not those of {training.plan.run}, in their order")
    known = {fname for fold in training.folds for fname in fold}
    given = dataset.curated.fnames
    # a run that left clips out for being undecodable has no fold for them
    leaves_out = any(how.skip_unreadable for how in training.networks.values())
    unknown = [] if leaves_out else [fname for fname in given if fname not in known]
    lacking = sorted(known - set(given))
    curated = f"{folder}: curated clip"
    problems = limited(unknown, lambda fname: f"{curated} {fname!r} is in no fold of the run", "such clips")
    problems += limited(lacking, lambda fname: f"{curated} {fname!r} of the run is missing", "such clips")
    if problems:
        raise UserError(*problems, "give the folder that the run was trained on")
    return dataset


def clips_for(
    dataset: Dataset, network: Network, training: TrainingPlan, work: Path, device: torch.device
) -> TrainingClips:
    """Return what a network's folds train on; its log-mels are kept below `work`.

    Raises UserError for clips that cannot be decoded, all at once, unless the run was trained without such clips.
    """
    how = training.networks[network.name]
    files = [*dataset.curated.paths, *dataset.noisy.paths]
    features = open_store(
        work, files, dataset.folder, network.front_end.settings, network.front_end.precision, read_sound, _show
    )
    problems = [f"{files[row]}: {reason}" for row, reason in sorted(features.errors.items())]
    if problems and not how.skip_unreadable:
        raise UserError(*problems)
    usable = np.array([row not in features.errors for row in range(len(files))])
    fold_of = {fname: number for number, fold in enumerate(training.folds) for fname in fold}
    fold = np.array([fold_of.get(fname, -1) for fname in dataset.curated.fnames])
    curated, noisy = np.split(usable, [len(dataset.curated)])
    curated &= fold >= 0
    classes = dataset.classes
    corrected, removed, _ = apply_corrections(dataset.curated, classes, how.corrections, Path("corrections"))
    trusted, dropped, _ = select_noisy(dataset.noisy, classes, how.selection, Path("selection"))
    targets = np.concatenate([corrected, dataset.noisy.labels]).astype(np.float32)
    rows = SourceRows(
        curated=np.flatnonzero(curated),
        noisy=len(curated) + np.flatnonzero(noisy),
        folds=fold[curated],
        removed=removed[curated],
        noisy_pool=(trusted if how.noisy_pool == "trusted" else ~dropped)[noisy],
        trusted=trusted[noisy],
    )
    return TrainingClips(features.logmels.placed(device), torch.from_numpy(targets).to(device), rows, device)


def _show(done: int, total: int) -> None:
    if done == total or (done and done % 1024 == 0):
        print(f"sound to train on: {done} of {total} clips", flush=True)
