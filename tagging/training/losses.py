"""Losses: binary cross-entropy, its soft form for noisy labels, and their sum over sources and heads.

All take logits and work in float32 whatever autocast does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tagging.sources import NAMES, NOISY


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the binary cross-entropy of each row [B], the mean over its classes.

    logits [B, C] of any range, targets [B, C] in 0..1.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none").mean(dim=1)


def soft_bce(logits: Tensor, targets: Tensor, beta: float) -> Tensor:
    """Return the cross-entropy of each row [B] against a mixture of its target and its own prediction.

    The target becomes beta · y + (1 - beta) · sigmoid(z), through which no gradient flows. logits
    [B, C], targets [B, C] in 0..1, beta in 0..1 the trust in the given label. Soft bootstrapping: Reed
    et al., "Training deep neural networks on noisy labels with bootstrapping", ICLR 2015 workshop.
    """
    own = torch.sigmoid(logits.detach().float())
    return bce(logits, torch.lerp(own, targets, beta))


class SourceLoss(nn.Module):
    """The training loss of a batch drawn from several sources, over all heads of a network.

    A head's loss is the sum over sources of weight · (share of the batch) · (mean loss of the source),
    which is the average over the batch of each row's loss times the weight of its source. Noisy rows
    have `soft_bce`, the others `bce`. The total is the sum of the heads' losses times their weights.
    `weights` in the order of `tagging.sources.NAMES`; `head_weights` in the order of the outputs.
    """

    weights: Tensor

    def __init__(self, weights: Sequence[float], beta: float, head_weights: Sequence[float]) -> None:
        super().__init__()
        if len(weights) != len(NAMES):
            raise ValueError(f"one weight a source is needed ({', '.join(NAMES)}), not {len(weights)}")
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32), persistent=False)
        self.beta = beta
        self.head_weights = tuple(head_weights)

    def forward(self, outputs: Sequence[Tensor], targets: Tensor, sources: Tensor) -> Tensor:
        """Return the scalar loss of logits [B, C] a head, targets [B, C] in 0..1, sources [B] int64.

        Raises ValueError where the network has another number of heads than there are weights.
        """
        weights, noisy = self.weights[sources], sources == NOISY
        heads = []
        for logits, head_weight in zip(outputs, self.head_weights, strict=True):
            rows = torch.where(noisy, soft_bce(logits, targets, self.beta), bce(logits, targets))
            heads.append(head_weight * (weights * rows).mean())
        return torch.stack(heads).sum()
