"""The plan of a kernel: which networks it runs, in which order, how they are blended, and the files of their weights.

Weights are in NumPy's format (.npz), read without unpickling, for a machine that has no safetensors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tagging.ensemble.pool import Method
from tagging.errors import UserError
from tagging.features.settings import FrontEnd


@dataclass(frozen=True)
class Weights:
    """A file in the folder of weights, and the sha256 of its bytes in hex."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Network:
    """A run whose folds are networks of one kind, with everything that its predictions depend on.

    `arguments` are those of models.registry.build beside the number of classes. `precision` is the type of autocast;
    tiles are `window` frames long and `step` frames apart, and a batch holds `batch_size` of them.
    `tile_seconds` is what a tile took where the kernel was packed.
    """

    name: str
    front_end: FrontEnd
    kind: str
    arguments: dict[str, Any]
    window: int
    step: int
    batch_size: int
    precision: str
    folds: dict[int, Weights]
    tile_seconds: float = 0.0


@dataclass(frozen=True)
class Single:
    """The probabilities of a network's folds as they are; the name is that of a `Network`."""

    name: str


@dataclass(frozen=True)
class Blended:
    """The weighted mean of members, fold by fold."""

    name: str
    method: Method
    weights: tuple[float, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Stacked:
    """A second-level network a fold, whose input is each member's geometric mean over folds, side by side.

    `kind` and `arguments` as models.stacking.STACKERS has them.
    """

    name: str
    kind: str
    arguments: dict[str, Any]
    folds: dict[int, Weights]
    members: tuple[Member, ...]


Member = Single | Blended | Stacked


@dataclass(frozen=True)
class Plan:
    """Everything that a kernel does.

    `networks` stand in the order in which they run: a time limit leaves the last ones out. `time_limit` is in
    minutes, None for none. `modules` are further libraries that the networks need.
    """

    run: str
    classes: tuple[str, ...]
    networks: tuple[Network, ...]
    blend: Member
    time_limit: float | None = None
    modules: tuple[str, ...] = ()

    @property
    def num_folds(self) -> int:
        """One more than the highest number of a fold."""
        return 1 + max(fold for network in self.networks for fold in network.folds)


def write_weights(state: Mapping[str, Tensor], path: Path) -> Weights:
    """Write a network's state to a file and return its name and digest; equal states give equal files."""
    np.savez(path, allow_pickle=False, **{key: value.detach().cpu().numpy() for key, value in state.items()})
    return Weights(path.name, digest_of(path))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a network's state."""
    with np.load(path, allow_pickle=False) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def digest_of(path: Path) -> str:
    """Return the sha256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def all_weights(plan: Plan) -> list[Weights]:
    """Return the files of weights that a plan needs, each once."""
    files = [weights for network in plan.networks for weights in network.folds.values()]
    return list(dict.fromkeys([*files, *_of_stackers(plan.blend)]))


def _of_stackers(member: Member) -> Iterable[Weights]:
    if isinstance(member, Stacked):
        yield from member.folds.values()
    if isinstance(member, (Blended, Stacked)):
        for inner in member.members:
            yield from _of_stackers(inner)


def check_weights(plan: Plan, folder: Path) -> None:
    """Raise UserError that names all files of weights that are missing, or are not those that were packed."""
    problems = []
    for weights in all_weights(plan):
        path = folder / weights.file
        if not path.is_file():
            problems.append(f"{path}: the weights are missing")
        elif digest_of(path) != weights.sha256:
            problems.append(f"{path}: the weights are damaged, or of another kernel")
    if problems:
        raise UserError(*problems, f"copy the folder {folder.name} again from where it was packed")
