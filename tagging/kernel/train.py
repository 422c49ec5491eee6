"""The command line of a kernel that trains, then predicts with what it has trained."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tagging import seeds
from tagging.commandline import exit_status
from tagging.errors import room_in
from tagging.kernel.clock import Clock, label
from tagging.kernel.main import check_modules, check_writable, read_clips, tag
from tagging.kernel.networks import best_device
from tagging.kernel.plan import Network
from tagging.kernel.training_clips import NetworkTraining, TrainingPlan, clips_for, read_folder
from tagging.kernel.weights import write_weights
from tagging.models import registry
from tagging.predicting.new_sound import list_clips
from tagging.report.wording import span
from tagging.training import setup
from tagging.training.history import EpochRecord, best_epoch
from tagging.training.loop import Parts, epochs
from tagging.training.setup import TrainingClips


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
