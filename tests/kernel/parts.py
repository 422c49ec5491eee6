"""A plan small enough to run in a moment: networks with random weights, clips of noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from tagging.features.settings import FrontEnd, LogMelSettings
from tagging.kernel.plan import Blended, Member, Network, Plan, Single, Weights, write_weights
from tagging.models import registry

CLASSES = ("Bark", "Meow", "Moo")
FOLDS = 2
SETTINGS = LogMelSettings(sample_rate=16000, n_fft=1024, hop=256, n_mels=32, fmax=8000)
ARGUMENTS = {"base_size": 2, "dropout": 0.0, "last_fc": 2}
RATE = 16000


def network(name: str, folder: Path, features: LogMelSettings = SETTINGS, **changes: object) -> Network:
    """Return a network with random weights, which are written to a folder."""
    folder.mkdir(exist_ok=True)
    folds = {}
    for fold in range(FOLDS):
        torch.manual_seed(sum(map(ord, name)) + fold)
        model = registry.build("simple_kaggle", len(CLASSES), **ARGUMENTS)
        for _ in range(3):  # running statistics that have seen data
            model(torch.randn(8, 3, 32, 32))
        folds[fold] = write_weights(model.state_dict(), folder / f"{name}-fold-{fold}.npz")
    fields = {
        "front_end": FrontEnd(features),
        "kind": "simple_kaggle",
        "arguments": ARGUMENTS,
        "window": 32,
        "step": 16,
        "batch_size": 4,
        "precision": "float32",
        "folds": folds,
        "tile_seconds": 0.01,
    }
    return Network(name=name, **fields | changes)


def plan_of(*networks: Network, blend: Member | None = None) -> Plan:
    """Return a plan that blends networks with equal weights."""
    singles = tuple(Single(one.name) for one in networks)
    return Plan(
        run="small (12345678)",
        classes=CLASSES,
        networks=networks,
        blend=blend or Blended("all", "geometric", (1 / len(singles),) * len(singles), singles),
    )


def weights_file(plan: Plan, place: int, fold: int) -> Weights:
    """Return the file of weights of a fold of a plan's network."""
    return plan.networks[place].folds[fold]


def write_sound(folder: Path, count: int) -> list[Path]:
    """Write clips of noise of different lengths and return their paths."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        soundfile.write(path, rng.normal(0, 0.1, RATE + 4000 * number).astype(np.float32), RATE)
    return paths
