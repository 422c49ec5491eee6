"""Mixers: two clips and their labels become one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import below, happens, uniform
from tagging.features.in_cache import pieces


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
    """The rows that are mixed (`rows` [R] int64), each with a partner, and how.

    `mixup` [U] and `concat` [S] int64 divide the places 0 .. R - 1 among the two mixers. All [R]: `rate`
    int64, the steepness of SigmoidConcat; `alpha` float32, the partner's share in MixUp.
    """

    rows: Tensor
    mixup: Tensor
    concat: Tensor
    rate: Tensor
    alpha: Tensor

    def to(self, device: torch.device | str) -> MixDraws:
        """Return the draws on `device`."""
        return MixDraws(
            self.rows.to(device),
            self.mixup.to(device),
            self.concat.to(device),
            self.rate.to(device),
            self.alpha.to(device),
        )


def draw_mixes(count: int, settings: MixSettings, generator: torch.Generator) -> MixDraws:
    """Draw which of `count` rows are mixed and how: rate_min .. rate_max, alpha in [0, alpha_max)."""
    rows = happens(count, settings.prob, generator).nonzero()[:, 0]
    mixed = len(rows)
    sigmoid = happens(mixed, settings.sigmoid_prob, generator)
    rates = torch.full((mixed,), settings.rate_max - settings.rate_min + 1)
    return MixDraws(
        rows=rows,
        mixup=(~sigmoid).nonzero()[:, 0],
        concat=sigmoid.nonzero()[:, 0],
        rate=settings.rate_min + below(rates, generator),
        alpha=uniform((mixed,), 0.0, settings.alpha_max, generator).float(),
    )


def mixup_(views: Tensor, partners: Tensor, draws: MixDraws) -> Tensor:
    """Mix views [B, M, T], in the rows drawn for MixUp, with their partners [R, M, T], in place.

    (1 - alpha) x + alpha x'. The derivatives of such a mix are the mix of the derivatives.
    """
    shares = draws.alpha[draws.mixup, None, None]
    for rows, places, share in pieces(draws.rows[draws.mixup], draws.mixup, shares):
        mixed = torch.lerp(views.index_select(0, rows), partners.index_select(0, places), share)
        views.index_copy_(0, rows, mixed)
    return views


def sigmoid_concat_(inputs: Tensor, partners: Tensor, draws: MixDraws) -> Tensor:
    """Mix network inputs [B, 3, M, T], in the S rows drawn for SigmoidConcat, with partners [S, 3, M, T], in place.

    m x + (1 - m) x' with m[t] = sigmoid(-r + 2 r t / T): the partner fades into the row along time.
    """
    frames = inputs.shape[-1]
    time = torch.arange(frames, device=inputs.device) / frames
    rising = torch.sigmoid(draws.rate[draws.concat, None] * (2 * time - 1))[:, None, None, :]
    for rows, share, partner in pieces(draws.rows[draws.concat], rising, partners):
        inputs.index_copy_(0, rows, torch.lerp(partner, inputs.index_select(0, rows), share))
    return inputs


def mix_targets(targets: Tensor, partners: Tensor, draws: MixDraws) -> Tensor:
    """Mix targets [B, C] with their partners' [R, C].

    MixUp: (1 - alpha) y + alpha y'. SigmoidConcat: min(1, y + y'), the union with full weight.
    """
    own = targets[draws.rows]
    mixed = torch.lerp(own, partners, draws.alpha[:, None])
    mixed[draws.concat] = (own + partners)[draws.concat].clamp(max=1)
    return targets.index_copy(0, draws.rows, mixed)
