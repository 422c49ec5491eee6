"""Losses of one clip each, and their sum over sources and heads.

All take logits and work in float32 whatever autocast does. Targets may lie between 0 and 1, as mixed clips have them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tagging.sources import NAMES
from tagging.user_code import UserCode


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


def lq(logits: Tensor, targets: Tensor, q: float) -> Tensor:
    """Return the mean over classes of (1 - p^q) / q for each row [B], p the probability given to the label.

    logits [B, C], targets [B, C] in 0..1, q in (0, 1]; cross-entropy as q goes to 0, absolute error at 1.
    Zhang and Sabuncu, "Generalized cross entropy loss", NeurIPS 2018, here for each class as a choice of
    two: on the classes of the label alone nothing would hold the others down.
    """
    there, absent = _log_probabilities(logits)
    return torch.lerp(_power_loss(absent, q), _power_loss(there, q), targets).mean(dim=1)


def focal(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Return the mean over classes of -(1 - p)^gamma · log p for each row [B], p the probability of the label.

    logits [B, C], targets [B, C] in 0..1, gamma 0 or more, 0 being cross-entropy. Lin et al., "Focal
    loss for dense object detection", ICCV 2017, equation 4.
    """
    there, absent = _log_probabilities(logits)
    return torch.lerp(-(gamma * there).exp() * absent, -(gamma * absent).exp() * there, targets).mean(dim=1)


def lsep(logits: Tensor, targets: Tensor) -> Tensor:
    """Return log(1 + sum of exp(z_v - z_u)) for each row [B], over all pairs with target v below target u.

    logits [B, C], targets [B, C] in 0..1, of which only the order counts; a row of equal targets has 0.
    It holds B · C² numbers. Li, Song and Luo, "Improving pairwise ranking for multi-label image
    classification", CVPR 2017, equation 4.
    """
    z = logits.float()
    differences = z[:, :, None] - z[:, None, :]
    ordered = targets[:, :, None] < targets[:, None, :]
    exponents = differences.masked_fill(~ordered, -torch.inf).flatten(1)
    # the 1 within the logarithm is a further exponent, of 0, which keeps rows without pairs finite
    return F.pad(exponents, (1, 0)).logsumexp(dim=1)


LOSSES: dict[str, Callable[..., Tensor]] = {"bce": bce, "soft_bce": soft_bce, "lq": lq, "focal": focal, "lsep": lsep}


def user_loss(logits: Tensor, targets: Tensor, code: UserCode) -> Tensor:
    """Return the loss of each row [B] by a user's function of logits [B, C] and targets [B, C] in 0..1."""
    losses = code.call(logits.float(), targets)
    if not isinstance(losses, Tensor) or losses.shape != logits.shape[:1]:
        shown = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise code.fail(
            f"returns {shown} for logits {list(logits.shape)}; it must return a loss a clip, [{len(logits)}]"
        )
    return losses.float()


def _log_probabilities(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logarithms of the probabilities that a class is there and that it is not."""
    return F.logsigmoid(logits.float()), F.logsigmoid(-logits.float())


def _power_loss(log_probability: Tensor, q: float) -> Tensor:
    return -torch.expm1(q * log_probability) / q


@dataclass(frozen=True)
class Term:
    """The loss of a source, the weight of its clips, and which of them are dropped as outliers.

    `kind` is that of LOSSES, with the `arguments` of its function, or python, with its `code`. `keep_below` in (0, 1]:
    a clip of this source is dropped whose loss exceeds this share of the largest loss in the batch, whatever that
    clip's source; 1 drops none.
    """

    kind: str
    arguments: dict[str, Any]
    weight: float
    keep_below: float = 1.0

    def of_rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each row [B] of logits [B, C] and targets [B, C] in 0..1."""
        function = user_loss if self.kind == "python" else LOSSES[self.kind]
        return function(logits, targets, **self.arguments)


class SourceLoss(nn.Module):
    """The training loss of a batch drawn from several sources, over all heads of a network.

    A head's loss is the mean over the batch of each clip's loss times the weight of its source. A clip that its `Term`
    drops counts neither in the sum nor in the number of clips; losses are compared within a head, before they are
    weighted. Threshold and mean are those of Fonseca et al., "Model-agnostic approaches to handling noisy labels when
    training sound event classifiers", WASPAA 2019. The total is the sum of the heads' losses times their weights.

    `terms` in the order of `tagging.sources.NAMES`; `head_weights` in the order of the outputs.
    """

    def __init__(self, terms: Sequence[Term], head_weights: Sequence[float]) -> None:
        super().__init__()
        if len(terms) != len(NAMES):
            raise ValueError(f"one term a source is needed ({', '.join(NAMES)}), not {len(terms)}")
        self.terms = tuple(terms)
        self.head_weights = tuple(head_weights)

    def forward(self, outputs: Sequence[Tensor], targets: Tensor, sources: Tensor) -> Tensor:
        """Return the scalar loss of logits [B, C] a head, targets [B, C] in 0..1, sources [B] int64.

        A head that drops all clips has a loss of 0. Raises ValueError where the network has another number of heads
        than there are weights.
        """
        heads = [
            head_weight * self._of_head(logits, targets, sources)
            for logits, head_weight in zip(outputs, self.head_weights, strict=True)
        ]
        return torch.stack(heads).sum()

    def _of_head(self, logits: Tensor, targets: Tensor, sources: Tensor) -> Tensor:
        # [sources, B], 0 for the clips of other sources
        rows = torch.stack(
            [torch.where(sources == source, term.of_rows(logits, targets), 0) for source, term in enumerate(self.terms)]
        )
        largest = rows.detach().amax()
        dropped = rows.detach() > torch.stack([term.keep_below * largest for term in self.terms])[:, None]
        kept = rows.masked_fill(dropped, 0)
        weighted = torch.stack([term.weight * own for term, own in zip(self.terms, kept, strict=True)])
        clips = (len(sources) - dropped.sum()).clamp(min=1)
        return weighted.sum(dim=0).sum() / clips
