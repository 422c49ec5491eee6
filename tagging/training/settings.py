"""All that decides a fold's training beside its clips and its network, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tagging.augment.mixers import MixSettings
from tagging.augment.views import ViewSettings


@dataclass(frozen=True)
class LossSettings:
    """The loss of one source: its `kind` in losses.LOSSES and its arguments; the rest as losses.Term has it."""

    kind: str
    arguments: dict[str, float]
    weight: float
    keep_below: float


@dataclass(frozen=True)
class FoldSettings:
    """How each fold of an experiment is trained.

    `shares` maps a source to its probability; `losses` stand in the order of sources.NAMES, `head_weights` in that of
    the network's outputs. `optimizer` holds Adam's arguments, `scheduler` a kind and its arguments. `patience` is in
    epochs, None for no end. A validation looks at `validation_batch` clips at once. `precision` is that of autocast.
    """

    seed: int
    views: ViewSettings
    mixes: MixSettings
    shares: dict[int, float]
    batch_size: int
    draws_per_epoch: int
    losses: tuple[LossSettings, ...]
    head_weights: tuple[float, ...]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    ema_decay: float
    epochs: int
    patience: int | None
    precision: str
    compile: bool
    validation_batch: int

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return -(-self.draws_per_epoch // self.batch_size)
