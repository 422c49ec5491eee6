"""Mixers: two clips and their labels become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tagging.augment.draws import Draws, below, happens, some_rows, uniform
from tagging.features.in_cache import pieces


@dataclass(frozen=True)
class MixSettings:
    """Rows are mixed with probability `prob`, by SigmoidConcat with probability `sigmoid_share`, else by MixUp.

    SigmoidConcat has a steepness of `sigmoid_min` to `sigmoid_max`, MixUp gives the partner a share below `mixup_max`;
    `labels` says how MixUp mixes labels, see mix_targets.
    """

    prob: float
    sigmoid_share: float
    sigmoid_min: int
    sigmoid_max: int
    mixup_max: float
    labels: Literal["mean", "union"]


@dataclass(frozen=True)
class MixDraws(Draws):
    """The rows that are mixed (`rows` [R] int64), each with a partner, and how.

    `mixup` [U] and `concat` [S] int64 divide the places 0 .. R - 1 among the two mixers. All [R]: `rate`
    int64, the steepness of SigmoidConcat; `alpha` float32, the partner's share in MixUp.
    """

    rows: Tensor
    mixup: Tensor
    concat: Tensor
    rate: Tensor
    alpha: Tensor


def draw_mixes(count: int, settings: MixSettings, generator: torch.Generator) -> MixDraws:
    """Draw which of `count` rows are mixed, and how; `rate` and `alpha` are uniform in their ranges."""
    rows = some_rows(count, settings.prob, generator)
    mixed = len(rows)
    sigmoid = happens(mixed, settings.sigmoid_share, generator)
    rates = torch.full((mixed,), settings.sigmoid_max - settings.sigmoid_min + 1)
    return MixDraws(
        rows=rows,
        mixup=(~sigmoid).nonzero()[:, 0],
        concat=sigmoid.nonzero()[:, 0],
        rate=settings.sigmoid_min + below(rates, generator),
        alpha=uniform((mixed,), 0.0, settings.mixup_max, generator).float(),
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


def mix_targets(targets: Tensor, partners: Tensor, draws: MixDraws, labels: Literal["mean", "union"]) -> Tensor:
    """Mix targets [B, C] with their partners' [R, C].

    SigmoidConcat: min(1, y + y'), the union with full weight. MixUp: (1 - alpha) y + alpha y' if `labels` is
    mean, the union if it is union: what can be heard is there, however soft.
    """
    own = targets[draws.rows]
    mixed = (own + partners).clamp(max=1)
    if labels == "mean":
        mixed[draws.mixup] = torch.lerp(own, partners, draws.alpha[:, None])[draws.mixup]
    return targets.index_copy(0, draws.rows, mixed)
