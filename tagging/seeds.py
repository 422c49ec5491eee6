"""The one source of randomness: every draw is a function of (seed, fold, epoch, step) and its purpose."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(seed: int, *position: int | str) -> int:
    """Hash a seed and a position in the training to a 63-bit seed.

    Equal arguments give equal seeds on every machine; any other argument gives an unrelated one.
    `position` is by custom (fold, epoch, step, purpose), as far as it applies.
    """
    text = "/".join([str(seed), *map(str, position)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *position: int | str) -> torch.Generator:
    """Return a CPU generator seeded by `derive`; draws are made here and moved to the device once."""
    import torch  # here: a seed alone needs none

    return torch.Generator().manual_seed(derive(seed, *position))
