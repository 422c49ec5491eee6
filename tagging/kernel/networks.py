"""Runs the networks of a plan, the weightiest first, as far as the time goes, and blends their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from tagging.ensemble.blend import weighted_mean
from tagging.errors import UserError
from tagging.features.settings import FrontEnd
from tagging.features.table import LogMels
from tagging.inference.blend import Probabilities, geometric_mean, mean_over_tiles
from tagging.inference.predict import autocast_dtype, plan_tiles, predict_tiles
from tagging.kernel.clock import Clock, NetworkFold, OutOfTime, Pace, Watch, label
from tagging.kernel.plan import Blended, Member, Network, Plan, Single, Stacked, read_weights
from tagging.models import registry
from tagging.models.stacking import STACKERS
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


def blended(plan: Plan, done: Done, weights: Path) -> Probabilities:
    """Return the plan's probabilities [n, C] from those of its networks, of which some may be missing.

    The weights of the others then grow in proportion. A stacker is left out where a member of it has no fold at all;
    where nothing else is left, the networks' geometric mean takes its place.
    """
    whole = _over_folds(plan.blend, plan, done, weights)
    if whole is None:
        print("warning: the stackers lack members; the geometric mean of the networks takes their place", flush=True)
        return geometric_mean(list(done.values()))
    return whole


def _over_folds(member: Member, plan: Plan, done: Done, weights: Path) -> Probabilities | None:
    folds = [_in_fold(member, fold, plan, done, weights) for fold in range(plan.num_folds)]
    there = [fold for fold in folds if fold is not None]
    return geometric_mean(there) if there else None


def _in_fold(member: Member, fold: int, plan: Plan, done: Done, weights: Path) -> Probabilities | None:
    match member:
        case Single():
            return done.get((member.name, fold))
        case Blended():
            inner = [_in_fold(one, fold, plan, done, weights) for one in member.members]
            there = [one for one in inner if one is not None]
            weights_there = [weight for one, weight in zip(inner, member.weights, strict=True) if one is not None]
            return weighted_mean(there, weights_there, member.method) if there else None
        case Stacked():
            blocks = [_over_folds(one, plan, done, weights) for one in member.members]
            if fold not in member.folds or any(block is None for block in blocks):
                return None
            return _stacked(member, blocks, len(plan.classes), weights / member.folds[fold].file)


def _stacked(member: Stacked, blocks: Sequence[Probabilities | None], num_classes: int, file: Path) -> Probabilities:
    """Return the probabilities [n, C] that a second-level network makes of its members' blocks [n, C]."""
    inputs = torch.from_numpy(np.concatenate([block for block in blocks if block is not None], axis=1))
    model = STACKERS[member.kind](inputs.shape[1], num_classes, **member.arguments)
    model.load_state_dict(read_weights(file))
    with torch.inference_mode():
        return torch.sigmoid(model.eval()(inputs)[0]).numpy()
