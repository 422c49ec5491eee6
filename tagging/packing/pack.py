"""Packs a run into the folder of a kernel, and says what that kernel needs and how long it takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import packages_distributions, version
from pathlib import Path

import torch

from tagging.data.demo import make_demo
from tagging.features.table import LogMels
from tagging.kernel.networks import best_device, count_tiles, predict_clips, restored
from tagging.kernel.plan import Network, Plan, all_weights
from tagging.kernel.source import one_file
from tagging.packing.folder import FILE, in_place
from tagging.packing.plan_of_run import plan_of, training_plan_of
from tagging.predicting.new_sound import read_sounds
from tagging.progress import say, warn
from tagging.report.wording import count, span
from tagging.runs.finished import warn_of_untrained
from tagging.runs.predictions import count_test
from tagging.tracking.store import Run, Store

MEASURED = 16  # synthetic clips
PREDICTS = "--sound FOLDER [--sample sample_submission.csv] [--out submission.csv] [--time-limit MINUTES]"
TRAINS = "--data FOLDER [--sound FOLDER] [--sample sample_submission.csv] [--out submission.csv]"


def pack_weights(store: Store, run: Run, out: Path, time_limit: float | None) -> None:
    """Write a kernel that predicts as a run does, with its weights beside it."""
    with in_place(out) as draft:
        weights = draft / "weights"
        weights.mkdir()
        plan = replace(plan_of(store, run, weights), time_limit=time_limit)
        estimate = _measured(plan, weights)
        plan = replace(
            plan,
            networks=tuple(replace(one, tile_seconds=estimate.tile_seconds[one.name]) for one in plan.networks),
        )
        (draft / FILE).write_text(one_file(_title(plan, "Tags sound", PREDICTS), "kernel.main", plan), "utf-8")
    store.log_file(run.id, out / FILE, "kernel")
    _warn_of_needs(store, run, plan)
    _say_time(plan, estimate, count_test(store, run) or 1000)  # where it has none, for a thousand
    files = [out / "weights" / file.file for file in all_weights(plan)]
    size = sum(file.stat().st_size for file in files)
    say(f"wrote {out / FILE} and {count(len(files), 'file')} of weights ({size / 1e6:.1f} MB): {_networks(plan)}")
    say(f"copy the folder {out} to the machine; there: python {FILE} --sound FOLDER --sample sample_submission.csv")


def pack_training(store: Store, run: Run, out: Path) -> None:
    """Write a kernel that trains the networks of a run and predicts with them."""
    with in_place(out) as draft:
        training = training_plan_of(store, run)
        title = _title(training.plan, "Trains networks, and tags sound with them,", TRAINS)
        (draft / FILE).write_text(one_file(title, "kernel.train", training), "utf-8")
    store.log_file(run.id, out / FILE, "kernel/train")
    _warn_of_needs(store, run, training.plan)
    say(f"wrote {out / FILE}, which trains {_networks(training.plan)}")
    say(f"copy it to the machine; there: python {FILE} --data FOLDER")


def _title(plan: Plan, does: str, usage: str) -> str:
    needs = ", ".join(["torch", "NumPy", "soundfile", "soxr (which librosa brings)", *plan.modules])
    beside = ", and the folder weights/ beside it" if usage == PREDICTS else ""
    return (
        f"{does} as {plan.run} does: {_networks(plan)}, {len(plan.classes)} classes.\n\n"
        f"    python {FILE} {usage}\n\n"
        f"It needs {needs}{beside}; no internet.\n"
        "The numbers it works with stand at the end, in PLAN; before that stand the modules that it is made of.\n"
    )


def _networks(plan: Plan) -> str:
    folds = count(sum(len(network.folds) for network in plan.networks), "network")
    return folds if len(plan.networks) == 1 else f"{folds} of {len(plan.networks)} runs"


def _warn_of_needs(store: Store, run: Run, plan: Plan) -> None:
    warn_of_untrained(store, run)
    for name in plan.modules:
        package = packages_distributions().get(name, [name])[0]
        warn(f"networks of {plan.run} need {name}: the machine must have it (here: {package} {version(package)})")


def _say_time(plan: Plan, estimate: Estimate, clips: int) -> None:
    seconds = clips * estimate.clip_seconds
    say(
        f"{estimate.clip_seconds:.2f} s a clip on this machine ({estimate.device}, "
        f"{count(torch.get_num_threads(), 'thread')}), measured on {MEASURED} synthetic clips of "
        f"{estimate.length:.1f} s on average: {clips} such clips take {span(seconds)}"
    )
    if plan.time_limit is not None and seconds > 60 * plan.time_limit:
        last = [network.name for network in reversed(plan.networks)]
        order = "the last folds first" if len(last) == 1 else f"in this order: {', '.join(last)}"
        warn(f"that is longer than {plan.time_limit:g} min: networks will be left out, {order}")


@dataclass(frozen=True)
class Estimate:
    """Seconds on a device, for clips of `length` seconds on average.

    `tile_seconds` holds the seconds of a tile by name of the network, `clip_seconds` the seconds of a clip in all.
    """

    device: str
    length: float
    tile_seconds: Mapping[str, float]
    clip_seconds: float


def _measured(plan: Plan, weights: Path) -> Estimate:
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
