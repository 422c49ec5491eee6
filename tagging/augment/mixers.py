"""Mixers: two clips and their labels become one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import below, happens, uniform


@dataclass(frozen=True)
class MixSettings:
    """How often a row is mixed, how often then by SigmoidConcat (else MixUp), and with what numbers."""

    prob: float
    sigmoid_prob: float
    rate_min: int
    rate_max: int
    alpha_max: float


@dataclass(frozen=True)
class MixDraws:
    """The rows that are mixed (`rows` [R] int64), and for each of them, all [R]:

    `sigmoid` bool: SigmoidConcat, else MixUp; `rate` int64: steepness of the former; `alpha` float32:
    the partner's share in the latter.
    """

    rows: Tensor
    sigmoid: Tensor
    rate: Tensor
    alpha: Tensor

    def to(self, device: torch.device | str) -> MixDraws:
        """Return the draws on `device`."""
        return MixDraws(self.rows.to(device), self.sigmoid.to(device), self.rate.to(device), self.alpha.to(device))


def draw_mixes(count: int, settings: MixSettings, generator: torch.Generator) -> MixDraws:
    """Draw which of `count` rows are mixed and how: rate_min .. rate_max, alpha in [0, alpha_max)."""
    rows = happens(count, settings.prob, generator).nonzero()[:, 0]
    mixed = len(rows)
    sigmoid = happens(mixed, settings.sigmoid_prob, generator)
    rates = torch.full((mixed,), settings.rate_max - settings.rate_min + 1)
    return MixDraws(
        rows=rows,
        sigmoid=sigmoid,
        rate=settings.rate_min + below(rates, generator),
        alpha=uniform((mixed,), 0.0, settings.alpha_max, generator).float(),
    )


def mix_inputs(inputs: Tensor, partners: Tensor, draws: MixDraws) -> Tensor:
    """Mix network inputs [B, 3, M, T] with their partners [R, 3, M, T], one for each drawn row.

    MixUp: (1 - alpha) x + alpha x'. SigmoidConcat: m x + (1 - m) x' with m[t] = sigmoid(-r + 2 r t / T):
    the partner fades into the row along time.
    """
    frames = inputs.shape[-1]
    time = torch.arange(frames, device=inputs.device) / frames
    rising = torch.sigmoid(draws.rate[:, None] * (2 * time - 1))
    share = torch.where(draws.sigmoid[:, None], rising, 1 - draws.alpha[:, None])
    mixed = torch.lerp(partners, inputs[draws.rows], share[:, None, None, :])
    return inputs.index_copy(0, draws.rows, mixed)


def mix_targets(targets: Tensor, partners: Tensor, draws: MixDraws) -> Tensor:
    """Mix targets [B, C] with their partners' [R, C].

    MixUp: (1 - alpha) y + alpha y'. SigmoidConcat: min(1, y + y'), the union with full weight.
    """
    own = targets[draws.rows]
    union = (own + partners).clamp(max=1)
    blended = torch.lerp(own, partners, draws.alpha[:, None])
    return targets.index_copy(0, draws.rows, torch.where(draws.sigmoid[:, None], union, blended))
