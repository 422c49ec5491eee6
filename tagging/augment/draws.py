"""What all draws share: how random numbers are drawn, always by a CPU generator, and how they move to a device."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Random numbers, in fields that are CPU tensors, draws themselves, or None where nothing is drawn."""

    def to(self, device: torch.device | str) -> Self:
        """Return the draws on `device`."""
        values = (getattr(self, field.name) for field in fields(self))
        return type(self)(*(None if value is None else value.to(device) for value in values))


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw float64 numbers uniform in [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def normal(count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` standard normal float64 numbers."""
    return torch.randn(count, generator=generator, dtype=torch.float64)


def below(counts: Tensor, generator: torch.Generator) -> Tensor:
    """Draw an int64 uniform in 0 .. count - 1 for every count (> 0) of a tensor of any shape."""
    return (torch.rand(counts.shape, generator=generator, dtype=torch.float64) * counts).long()


def up_to(limit: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` int64 uniform in -limit .. limit."""
    return below(torch.full((count,), 2 * limit + 1), generator) - limit


def happens(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Draw `count` bools that are true with `probability`."""
    return torch.rand(count, generator=generator, dtype=torch.float64) < probability


def some_rows(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Draw which of `count` rows something happens to, each with `probability`: int64."""
    return happens(count, probability, generator).nonzero()[:, 0]
