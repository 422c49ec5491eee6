"""The losses against their definitions, written out on probabilities and source by source."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.training.losses import LOSSES, SourceLoss, Term, bce, focal, lq, lsep, soft_bce
from tests.reference.losses import cross_entropy, mean_of_kept, soft_cross_entropy


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


def hard(targets):
    return (targets > 0.7).float()


@pytest.mark.parametrize("q", [0.1, 0.5, 1.0])
def test_lq_is_the_power_form_on_the_probability_of_each_label(q):
    logits, targets = batch()
    labels = hard(targets)
    p = torch.sigmoid(logits.double())
    given = torch.where(labels == 1, p, 1 - p)
    torch.testing.assert_close(lq(logits, labels, q).double(), ((1 - given**q) / q).mean(1), atol=1e-6, rtol=1e-5)


def test_lq_lies_between_cross_entropy_and_absolute_error():
    logits, targets = batch()
    labels = hard(targets)
    torch.testing.assert_close(lq(logits, targets, 1e-5), bce(logits, targets), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(lq(logits, labels, 1.0), (torch.sigmoid(logits) - labels).abs().mean(1))


def test_lq_holds_down_classes_that_are_not_of_the_label():
    logits = torch.zeros(1, 3, requires_grad=True)
    lq(logits, torch.tensor([[1.0, 0.0, 0.0]]), 0.5).sum().backward()
    assert logits.grad[0, 0] < 0
    assert (logits.grad[0, 1:] > 0).all()


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_focal_equals_torchvisions(gamma):
    logits, targets = batch()
    labels = hard(targets)
    expected = sigmoid_focal_loss(logits, labels, alpha=-1, gamma=gamma, reduction="none").mean(1)
    torch.testing.assert_close(focal(logits, labels, gamma), expected, atol=1e-6, rtol=1e-5)


def test_focal_is_linear_in_the_target_and_cross_entropy_without_gamma():
    logits, targets = batch()
    torch.testing.assert_close(focal(logits, targets, 0.0), bce(logits, targets))
    ends = [focal(logits, torch.full_like(targets, value), 2.0) for value in (0.0, 1.0)]
    torch.testing.assert_close(focal(logits, torch.full_like(targets, 0.25), 2.0), 0.75 * ends[0] + 0.25 * ends[1])


def lsep_pair_by_pair(logits, targets):
    values = []
    for z, y in zip(logits.double().tolist(), targets.tolist(), strict=True):
        pairs = [math.exp(z[v] - z[u]) for u in range(len(y)) for v in range(len(y)) if y[v] < y[u]]
        values.append(math.log(1 + sum(pairs)))
    return torch.tensor(values)


def test_lsep_sums_over_pairs_of_different_targets():
    logits, targets = batch()
    for labels in (hard(targets), (3 * targets).round() / 3):
        torch.testing.assert_close(lsep(logits, labels), lsep_pair_by_pair(logits, labels))


def test_lsep_pushes_labels_above_the_rest_and_nothing_else():
    logits = torch.zeros(1, 4, requires_grad=True)
    lsep(logits, torch.tensor([[1.0, 0.5, 0.0, 0.0]])).sum().backward()
    assert (logits.grad[0].argsort() == torch.arange(4)).all()
    assert logits.grad.sum().abs() < 1e-6  # only differences count
    shifted = lsep(logits.detach() + 5, torch.tensor([[1.0, 0.5, 0.0, 0.0]]))
    torch.testing.assert_close(shifted, lsep(logits.detach(), torch.tensor([[1.0, 0.5, 0.0, 0.0]])))


def test_lsep_of_a_row_without_pairs_is_0_with_a_finite_gradient():
    logits = torch.randn(2, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = lsep(logits, torch.tensor([[0.0] * 5, [1.0] * 5]))
    loss.sum().backward()
    assert loss.tolist() == [0.0, 0.0]
    assert not logits.grad.any()


SETTINGS = {"bce": {}, "soft_bce": {"beta": 0.7}, "lq": {"q": 0.5}, "focal": {"gamma": 2.0}, "lsep": {}}
every_loss = pytest.mark.parametrize("loss", [partial(LOSSES[name], **SETTINGS[name]) for name in LOSSES], ids=LOSSES)


@every_loss
def test_large_logits_have_a_finite_loss_and_gradient(loss):
    logits = torch.tensor([[300.0, -300.0, 300.0, -300.0]], requires_grad=True)
    value = loss(logits, torch.tensor([[0.0, 1.0, 0.3, 0.7]]))
    value.sum().backward()
    assert value.isfinite().all()
    assert logits.grad.isfinite().all()


@every_loss
def test_a_better_prediction_has_a_smaller_loss(loss):
    labels = hard(batch()[1])
    losses = [loss(spread * (2 * labels - 1), labels).mean() for spread in (-2.0, 0.0, 2.0, 4.0)]
    assert losses == sorted(losses, reverse=True)


@every_loss
def test_half_precision_logits_are_widened(loss):
    logits, targets = batch()
    half = loss(logits.bfloat16(), targets)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, loss(logits.bfloat16().float(), targets))


BETA, HEADS = 0.7, (1.0, 0.4, 0.2, 0.1)
WEIGHTS = (0.5, 0.4, 0.9)
TERMS = (Term("bce", {}, 0.5), Term("soft_bce", {"beta": BETA}, 0.4), Term("bce", {}, 0.9))


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
    loss = SourceLoss(TERMS, HEADS)(outputs, targets, sources)
    assert loss.shape == ()
    torch.testing.assert_close(loss, expected)


def test_equal_weights_only_scale_the_plain_average():
    logits, targets = batch()
    sources = torch.zeros(12, dtype=torch.int64)
    loss = SourceLoss([Term("bce", {}, 0.5)] * 3, (1.0,))((logits,), targets, sources)
    torch.testing.assert_close(loss, 0.5 * bce(logits, targets).mean())


@pytest.mark.parametrize("shares", [(1.0, 0.8, 1.0), (1.0, 0.4, 0.7), (0.9, 0.6, 0.5), (0.7, 0.7, 0.7)], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_outliers_are_dropped_by_the_batchs_largest_loss_and_the_rest_averaged(shares, seed):
    outputs, targets = tuple(batch(head + 4 * seed, rows=40)[0] for head in range(4)), batch(9 + seed, rows=40)[1]
    sources = torch.randint(3, (40,), generator=torch.Generator().manual_seed(seed))
    expected, dropped = 0.0, 0
    for logits, head_weight in zip(outputs, HEADS, strict=True):
        losses = [
            soft_cross_entropy(z, y, BETA) if source == NOISY else cross_entropy(z, y)
            for z, y, source in zip(logits.double().numpy(), targets.double().numpy(), sources.tolist(), strict=True)
        ]
        of_clips = [shares[source] for source in sources]
        expected += head_weight * mean_of_kept(losses, [WEIGHTS[source] for source in sources], of_clips)
        dropped += sum(loss > share * max(losses) for loss, share in zip(losses, of_clips, strict=True))
    terms = [replace(term, keep_below=share) for term, share in zip(TERMS, shares, strict=True)]
    assert 0 < dropped < 160
    assert SourceLoss(terms, HEADS)(outputs, targets, sources).item() == pytest.approx(expected, rel=1e-5)


def test_a_lone_noisy_clip_is_kept_below_a_larger_loss_of_another_source():
    logits = torch.tensor([[5.0, 0.0], [2.0, 0.0], [0.0, 0.0]])  # the larger, the worse
    targets = torch.zeros(3, 2)
    rows = bce(logits, targets)
    loss = SourceLoss([Term("bce", {}, 1.0), Term("bce", {}, 1.0, keep_below=0.8), Term("bce", {}, 1.0)], (1.0,))
    torch.testing.assert_close(loss((logits,), targets, torch.tensor([CURATED, NOISY, TRUSTED])), rows.mean())
    torch.testing.assert_close(loss((logits,), targets, torch.tensor([NOISY, CURATED, TRUSTED])), rows[1:].mean())


def test_a_batch_of_outliers_alone_has_no_loss():
    logits = torch.ones(2, 3, requires_grad=True)
    loss = SourceLoss([Term("bce", {}, 1.0, keep_below=0.5)] * 3, (1.0,))
    value = loss((logits,), torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    value.backward()
    assert value == 0
    assert not logits.grad.any()


def test_an_outlier_has_no_gradient():
    logits = torch.tensor([[4.0, 0.0], [0.5, 0.0]], requires_grad=True)
    loss = SourceLoss([Term("bce", {}, 1.0, keep_below=0.9)] * 3, (1.0,))
    loss((logits,), torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64)).backward()
    assert not logits.grad[0].any()
    assert logits.grad[1].all()


def test_a_loss_that_is_not_a_number_is_not_taken_for_an_outlier():
    logits = torch.tensor([[torch.nan, 0.0], [1.0, 0.0]])
    loss = SourceLoss([Term("bce", {}, 1.0, keep_below=0.5)] * 3, (1.0,))
    assert loss((logits,), torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64)).isnan()


def test_weights_must_match_sources_and_heads():
    logits, targets = batch()
    with pytest.raises(ValueError, match=r"curated, noisy, trusted"):
        SourceLoss(TERMS[:2], (1.0,))
    with pytest.raises(ValueError, match="zip"):
        SourceLoss(TERMS, HEADS)((logits,), targets, torch.zeros(12, dtype=torch.int64))


def test_the_loss_carries_no_state_into_a_checkpoint():
    assert not SourceLoss(TERMS, HEADS).state_dict()
