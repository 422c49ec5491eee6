"""A kernel that trains, then predicts with what it has trained: its plan, command line and clips."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tagging import seeds
from tagging.commandline import exit_status
from tagging.data.audio import read_sound
from tagging.data.dataset import Dataset
from tagging.data.findings import limited
from tagging.data.label_lists import apply_corrections, select_noisy
from tagging.data.layouts import read_dataset
from tagging.errors import UserError, room_in
from tagging.features.store import open_store
from tagging.kernel.clock import Clock, label
from tagging.kernel.main import check_modules, check_writable, read_clips, tag
from tagging.kernel.networks import best_device
from tagging.kernel.plan import Network, Plan, write_weights
from tagging.models import registry
from tagging.predicting.new_sound import list_clips
from tagging.report.wording import span
from tagging.training import setup
from tagging.training.history import EpochRecord, best_epoch
from tagging.training.loop import Parts, epochs
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


def main(training: TrainingPlan, folder: Path, started: float, arguments: Sequence[str] | None = None) -> int:
    """Train on the data set that the command line names and tag its test split; return as kernel.main.main does."""
    parser = argparse.ArgumentParser(description=f"Trains as {training.plan.run} was trained, then tags sound.")
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="the data set to train on")
    parser.add_argument("--sound", type=Path, metavar="FOLDER", help="the sound to tag (default: test/ in --data)")
    parser.add_argument(
        "--sample", type=Path, metavar="FILE", help="default: sample_submission.csv in --data, if there"
    )
    parser.add_argument("--out", type=Path, default=Path("submission.csv"), metavar="FILE", help="default: %(default)s")
    parsed = parser.parse_args(arguments)
    return exit_status(lambda: _train(training, parsed, Clock(started)), "weights that are written stay")


def _train(training: TrainingPlan, parsed: argparse.Namespace, clock: Clock) -> None:
    plan, place = training.plan, parsed.out.absolute().parent
    check_modules(plan)
    check_writable(parsed.out)
    dataset = read_folder(parsed.data, training)
    given = parsed.data / "sample_submission.csv"
    sample = parsed.sample or (given if given.is_file() else None)
    listing = list_clips(parsed.sound or parsed.data / "test", sample, plan.classes)
    device = best_device()
    with room_in(place):
        (place / "weights").mkdir(exist_ok=True)
        for network in plan.networks:
            clips = clips_for(dataset, network, training, place / "features", device)
            for fold, weights in network.folds.items():
                state = train_fold(network, training.networks[network.name], clips, len(plan.classes), fold)
                write_weights(state, place / "weights" / weights.file)
        tag(plan, place / "weights", listing, read_clips(plan, listing, clock), parsed.out, clock)


def train_fold(
    network: Network, how: NetworkTraining, clips: TrainingClips, num_classes: int, fold: int
) -> dict[str, Tensor]:
    """Train a fold to its end and return the weights that it predicts with."""
    settings, device = how.settings, clips.device
    torch.manual_seed(seeds.derive(settings.seed, fold, "weights"))
    model = registry.placed(registry.build(network.kind, num_classes, **network.arguments), device)
    kept, began = Kept(how.weights), time.monotonic()
    for record in epochs(setup.fold_training(model, settings, clips, fold), kept, lambda _: None):
        print(
            f"{label((network.name, fold))}, epoch {record.epoch} of {settings.epochs}: loss {record.train_loss:.4f}, "
            f"lwlrap {record.val_lwlrap:.4f} ({span(time.monotonic() - began)})",
            flush=True,
        )
    return kept.state


class Kept:
    """Keeps the weights to predict with in memory alone: an interrupted kernel begins anew."""

    def __init__(self, which: str) -> None:
        self._which = which
        self.state: dict[str, Tensor] = {}

    def resume(self, parts: Parts) -> list[EpochRecord]:
        """Return no epochs."""
        return []

    def save(self, parts: Parts, history: Sequence[EpochRecord]) -> None:
        """Keep the newest weights where they are those to predict with so far."""
        if self._which == "best" and best_epoch(history) != history[-1].epoch:
            return
        model = parts.ema.module if self._which == "ema" and parts.ema is not None else parts.model
        self.state = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}


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
