"""Runs the networks of a plan one after the other, the weightiest first, as far as the time goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from tagging.errors import UserError
from tagging.features.deltas import Deltas
from tagging.features.settings import FrontEnd
from tagging.features.table import LogMels
from tagging.inference.blend import Probabilities, mean_over_tiles
from tagging.inference.predict import autocast_dtype, plan_tiles, predict_tiles
from tagging.kernel.clock import Clock, NetworkFold, OutOfTime, Pace, Watch, label
from tagging.kernel.plan import Network, Plan
from tagging.kernel.weights import read_weights
from tagging.models import registry
from tagging.report.wording import count, duration, span

Done = dict[NetworkFold, Probabilities]  # [n, C] a network and fold


def run_networks(
    plan: Plan, sound: Mapping[FrontEnd, LogMels], weights: Path, device: torch.device, clock: Clock
) -> tuple[Done, list[NetworkFold]]:
    """Predict all clips with each fold of each network; return the probabilities, and the folds that were left out.

    A fold that would end after the clock's limit is left out, be it noticed before or in the middle; the first one runs
    in any case. A fold whose output is not finite is left out too, with a warning; UserError where none is left.
    """
    by_name = {network.name: network for network in plan.networks}
    folds = [(network.name, number) for network in plan.networks for number in network.folds]
    pace = Pace({one.name: one.tile_seconds * count_tiles(one, sound[one.front_end]) for one in plan.networks})
    done: Done = {}
    dropped: list[NetworkFold] = []
    print(f"{count(len(folds), 'network')}; {span(pace.of_all(folds))} where this was packed", flush=True)
    for place, fold in enumerate(folds):
        network, rest = by_name[fold[0]], folds[place + 1 :]
        if done and pace.expected(fold[0]) > clock.left:
            dropped.append(fold)
            continue
        watch = Watch(fold, rest, pace, clock, must=not done)
        try:
            model = restored(network, len(plan.classes), weights / network.folds[fold[1]].file, device)
            found = predict_clips(model, network, sound[network.front_end], device, watch)
        except OutOfTime:
            dropped.append(fold)
            continue
        if not np.isfinite(found).all():
            print(f"warning: left out, for its output is not finite (NaN or infinite): {label(fold)}", flush=True)
            continue
        done[fold] = found
        to_go = f"; {duration(pace.of_all(rest))} to go" if rest else ""
        print(f"{label(fold)}: {span(pace.measured[fold[0]])}{to_go}", flush=True)
    if not done:
        raise UserError("the output of every network is not finite; pack a run with networks that give finite numbers")
    return done, dropped


def restored(network: Network, num_classes: int, file: Path, device: torch.device) -> torch.nn.Module:
    """Return a fold's network with the weights of a file."""
    model = registry.build(network.kind, num_classes, **network.arguments)
    model.load_state_dict(read_weights(file))
    return registry.placed(model, device)


def predict_clips(
    model: torch.nn.Module, network: Network, logmels: LogMels, device: torch.device, watch: Callable[[int, int], None]
) -> Probabilities:
    """Return the mean over tiles [n, C] of all clips of a table."""
    rows = np.arange(len(logmels))
    tiles = predict_tiles(
        model,
        logmels,
        rows,
        Deltas(),
        network.window,
        network.step,
        network.batch_size,
        device,
        autocast_dtype(network.precision, device),
        watch,
    )
    return mean_over_tiles(tiles.probabilities, tiles.clip, len(rows))


def best_device() -> torch.device:
    """Return the GPU where torch finds one, else the CPU, set to give the same numbers each time."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def count_tiles(network: Network, logmels: LogMels) -> int:
    """Return the number of tiles of a table that a network predicts."""
    return len(plan_tiles(logmels.lengths.cpu().numpy(), network.window, network.step).clips)
