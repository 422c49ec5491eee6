"""The plan of a kernel: which networks it runs, in which order, and how their probabilities are blended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tagging.ensemble.pool import Method
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
