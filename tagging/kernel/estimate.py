"""What a plan costs on this machine, measured on a few clips."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tagging.features.table import LogMels
from tagging.kernel.networks import best_device, count_tiles, predict_clips, restored
from tagging.kernel.plan import Network, Plan
from tagging.predicting.new_sound import read_sounds


@dataclass(frozen=True)
class Estimate:
    """What clips of `length` seconds on average take on a device.

    Seconds a clip for reading its sound, a tile for each network by its name, and a clip for everything.
    """

    device: str
    length: float
    sound_seconds: float
    tile_seconds: Mapping[str, float]
    clip_seconds: float

    def with_costs(self, plan: Plan) -> Plan:
        """Return the plan with what a tile of each network took."""
        networks = [replace(network, tile_seconds=self.tile_seconds[network.name]) for network in plan.networks]
        return replace(plan, networks=tuple(networks))


def measure(plan: Plan, weights: Path, files: Sequence[Path]) -> Estimate:
    """Tag a few clips with one fold of each network of a plan, and say what that took."""
    device = best_device()
    began = time.monotonic()
    sound = read_sounds(files, [network.front_end for network in plan.networks], lambda done, total: None)
    sound_seconds = (time.monotonic() - began) / len(files)
    tile_seconds, clip_seconds = {}, sound_seconds
    for network in plan.networks:
        logmels = sound.tables[network.front_end].placed(device)
        seconds = _fold_seconds(network, len(plan.classes), weights, logmels, device)
        tile_seconds[network.name] = seconds / count_tiles(network, logmels)
        clip_seconds += len(network.folds) * seconds / len(files)
    front_end, table = next(iter(sound.tables.items()))
    length = float(table.lengths.double().mean()) * front_end.settings.hop / front_end.settings.sample_rate
    return Estimate(device.type, length, sound_seconds, tile_seconds, clip_seconds)


def _fold_seconds(network: Network, num_classes: int, weights: Path, logmels: LogMels, device: torch.device) -> float:
    """Return what one fold took for all clips: the shorter of two times, since the first warms up."""
    model = restored(network, num_classes, weights / next(iter(network.folds.values())).file, device)
    times = []
    for _ in range(2):
        began = time.monotonic()
        predict_clips(model, network, logmels, device, lambda done, total: None)
        times.append(time.monotonic() - began)
    return min(times)
