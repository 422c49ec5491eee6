"""The losses against their definitions, written out on probabilities and source by source."""

import pytest
import torch
from torch.nn import functional as F

from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.training.losses import SourceLoss, bce, soft_bce


def batch(seed=0, rows=12, classes=7, spread=2.0):
    draw = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(rows, classes, generator=draw)
    return logits, torch.rand(rows, classes, generator=draw)


def soft_on_probabilities(logits, targets, beta):
    """L_soft as published: on clamped probabilities, the target computed without gradient."""
    p = torch.sigmoid(logits).clamp(1e-7, 1)
    with torch.no_grad():
        mixed = beta * targets + (1 - beta) * p
    return F.binary_cross_entropy(p, mixed, reduction="none").mean(1)


def test_bce_is_the_mean_over_classes():
    logits, targets = batch()
    expected = F.binary_cross_entropy(torch.sigmoid(logits), targets, reduction="none").mean(1)
    torch.testing.assert_close(bce(logits, targets), expected)


@pytest.mark.parametrize("beta", [0.0, 0.7, 1.0])
def test_soft_bce_and_its_gradient_are_those_of_the_probability_form(beta):
    logits, targets = batch()
    gradients, values = [], []
    for loss in (soft_bce, soft_on_probabilities):
        leaf = logits.clone().requires_grad_()
        values.append(loss(leaf, targets, beta))
        gradients.append(torch.autograd.grad(values[-1].sum(), leaf)[0])
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-6, rtol=1e-4)


def test_no_gradient_flows_through_the_mixed_target():
    logits, targets = batch()
    leaf = logits.clone().requires_grad_()
    soft_bce(leaf, targets, 0.7).sum().backward()
    own = torch.sigmoid(logits)
    # d BCE(z, y') / dz = sigmoid(z) - y' with y' held fast, over 7 classes
    torch.testing.assert_close(leaf.grad, 0.7 * (own - targets) / 7)
    leaf = logits.clone().requires_grad_()
    soft_bce(leaf, targets, 0.0).sum().backward()
    assert not leaf.grad.any()


def test_beta_1_is_plain_bce():
    logits, targets = batch()
    torch.testing.assert_close(soft_bce(logits, targets, 1.0), bce(logits, targets), atol=0, rtol=0)


def test_a_sure_prediction_has_a_finite_loss_and_gradient():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = soft_bce(logits, torch.tensor([[0.0, 1.0]]), 0.7)
    loss.sum().backward()
    assert loss.item() == pytest.approx(140.0)
    assert logits.grad.tolist() == [[pytest.approx(0.35), pytest.approx(-0.35)]]


def test_half_precision_logits_are_widened():
    logits, targets = batch()
    torch.testing.assert_close(bce(logits.bfloat16(), targets), bce(logits.bfloat16().float(), targets))
    assert soft_bce(logits.bfloat16(), targets, 0.7).dtype == torch.float32


WEIGHTS, BETA, HEADS = (0.5, 0.4, 0.9), 0.7, (1.0, 0.4, 0.2, 0.1)


@pytest.mark.parametrize(
    "sources",
    [
        [CURATED] * 5 + [NOISY] * 4 + [TRUSTED] * 3,
        [CURATED] * 7 + [TRUSTED] * 5,
        [NOISY] * 12,
    ],
    ids=["all three", "no noisy rows", "noisy alone"],
)
def test_source_loss_weighs_means_by_shares_of_the_batch(sources):
    sources = torch.tensor(sources)[torch.randperm(12, generator=torch.Generator().manual_seed(3))]
    outputs = tuple(batch(seed)[0] for seed in range(4))
    targets = batch(9)[1]
    expected = 0.0
    for logits, head_weight in zip(outputs, HEADS, strict=True):
        for source, weight in zip((CURATED, NOISY, TRUSTED), WEIGHTS, strict=True):
            rows = sources == source
            if not rows.any():
                continue
            z, y = logits[rows], targets[rows]
            mean = (soft_on_probabilities(z, y, BETA) if source == NOISY else bce(z, y)).mean()
            expected += head_weight * weight * (rows.sum() / 12) * mean
    loss = SourceLoss(WEIGHTS, BETA, HEADS)(outputs, targets, sources)
    assert loss.shape == ()
    torch.testing.assert_close(loss, expected)


def test_equal_weights_only_scale_the_plain_average():
    logits, targets = batch()
    sources = torch.zeros(12, dtype=torch.int64)
    loss = SourceLoss((0.5, 0.5, 0.5), BETA, (1.0,))((logits,), targets, sources)
    torch.testing.assert_close(loss, 0.5 * bce(logits, targets).mean())


def test_weights_must_match_sources_and_heads():
    logits, targets = batch()
    with pytest.raises(ValueError, match=r"curated, noisy, trusted"):
        SourceLoss((0.5, 0.5), BETA, (1.0,))
    with pytest.raises(ValueError, match="zip"):
        SourceLoss(WEIGHTS, BETA, HEADS)((logits,), targets, torch.zeros(12, dtype=torch.int64))


def test_the_loss_carries_no_state_into_a_checkpoint():
    assert not SourceLoss(WEIGHTS, BETA, HEADS).state_dict()
