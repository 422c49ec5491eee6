"""The two ways in which random numbers are drawn; always by a CPU generator, in float64."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw float64 numbers uniform in [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def below(counts: Tensor, generator: torch.Generator) -> Tensor:
    """Draw an int64 uniform in 0 .. count - 1 for every count (> 0) of a tensor of any shape."""
    return (torch.rand(counts.shape, generator=generator, dtype=torch.float64) * counts).long()


def happens(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Draw `count` bools that are true with `probability`."""
    return torch.rand(count, generator=generator, dtype=torch.float64) < probability
