"""The numbers of an epoch, and what follows from those of all epochs so far: which was best, whether to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple


class HeldOut(NamedTuple):
    """The numbers of an epoch on the held-out clips; each is a field of EpochRecord too."""

    val_loss: float
    val_lwlrap: float


@dataclass(frozen=True)
class EpochRecord:
    """The numbers of one epoch, counted from 1, and the time it ended (milliseconds since 1970)."""

    epoch: int
    time_ms: int
    train_loss: float
    val_loss: float
    val_lwlrap: float
    lr: float
    samples_per_s: float
    val_lwlrap_ema: float | None = None  # of the averaged weights, where there are any

    def as_dict(self) -> dict[str, float]:
        """Return the fields that have a value."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def best_epoch(history: Sequence[EpochRecord]) -> int:
    """Return the first epoch with the highest val_lwlrap, 0 without any."""
    best = max(history, key=lambda record: (record.val_lwlrap, -record.epoch), default=None)
    return best.epoch if best else 0


def should_stop(history: Sequence[EpochRecord], patience: int | None) -> bool:
    """Tell whether the last `patience` epochs brought no strict rise of val_lwlrap."""
    return patience is not None and bool(history) and history[-1].epoch - best_epoch(history) >= patience
