"""What the predictions of a plan cost on this machine, measured on a few synthetic clips."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from tagging.data.demo import make_demo
from tagging.features.table import LogMels
from tagging.kernel.networks import best_device, count_tiles, predict_clips, restored
from tagging.kernel.plan import Network, Plan
from tagging.predicting.new_sound import read_sounds

MEASURED = 16  # clips


@dataclass(frozen=True)
class Estimate:
    """Seconds on a device, for clips of `length` seconds on average.

    `tile_seconds` has those of a tile for each network by its name; `clip_seconds` are those of a clip for everything.
    """

    device: str
    length: float
    tile_seconds: Mapping[str, float]
    clip_seconds: float


def measure(plan: Plan, weights: Path) -> Estimate:
    """Tag a few synthetic clips with one fold of each network of a plan, and return what that took."""
    device = best_device()
    with tempfile.TemporaryDirectory(prefix="tagging-kernel-") as folder:
        make_demo(Path(folder) / "demo", seed=0, curated=10, noisy=0, test=MEASURED)
        files = sorted((Path(folder) / "demo" / "test").iterdir())
        began = time.monotonic()
        sound = read_sounds(files, [network.front_end for network in plan.networks], lambda done, total: None)
        clip_seconds = (time.monotonic() - began) / MEASURED
    tile_seconds = {}
    for network in plan.networks:
        logmels = sound.tables[network.front_end].placed(device)
        seconds = _fold_seconds(network, len(plan.classes), weights, logmels, device)
        tile_seconds[network.name] = seconds / count_tiles(network, logmels)
        clip_seconds += len(network.folds) * seconds / MEASURED
    front_end, table = next(iter(sound.tables.items()))
    length = float(table.lengths.double().mean()) * front_end.settings.hop / front_end.settings.sample_rate
    return Estimate(device.type, length, tile_seconds, clip_seconds)


def _fold_seconds(network: Network, num_classes: int, weights: Path, logmels: LogMels, device: torch.device) -> float:
    """Return what one fold took for all clips: the shorter of two times, since the first warms up."""
    model = restored(network, num_classes, weights / next(iter(network.folds.values())).file, device)
    times = []
    for _ in range(2):
        began = time.monotonic()
        predict_clips(model, network, logmels, device, lambda done, total: None)
        times.append(time.monotonic() - began)
    return min(times)
