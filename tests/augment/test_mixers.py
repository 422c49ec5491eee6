from dataclasses import replace

import numpy as np
import torch

from tagging.augment.mixers import MixSettings, draw_mixes, mix_targets, mixup_, sigmoid_concat_
from tests.reference.mixers import mixup, sigmoid_concat

SETTINGS = MixSettings(prob=0.8, sigmoid_share=0.6, sigmoid_min=3, sigmoid_max=12, mixup_max=0.5, labels="mean")


def test_rows_equal_the_reference_and_others_stay():
    generator = torch.Generator().manual_seed(0)
    draws = draw_mixes(40, SETTINGS, generator)
    count = len(draws.rows)
    inputs, partners = (torch.randn(n, 3, 5, 64, generator=generator) for n in (40, count))
    targets, partner_targets = ((torch.rand(n, 7, generator=generator) < 0.3).float() for n in (40, count))
    expected, expected_targets = inputs.numpy().copy(), targets.numpy().copy()
    mixed = mixup_(inputs.flatten(1, 2), partners.flatten(1, 2), draws).view_as(inputs)
    mixed = sigmoid_concat_(mixed, partners[draws.concat], draws)
    mixed_targets = mix_targets(targets, partner_targets, draws, SETTINGS.labels)
    for place, row in enumerate(draws.rows.tolist()):
        pair = (
            expected[row],
            expected_targets[row],
            partners[place].numpy(),
            partner_targets[place].numpy(),
        )
        if place in draws.concat:
            result = sigmoid_concat(*pair, int(draws.rate[place]))
        else:
            result = mixup(*pair, float(draws.alpha[place]), labels="mean")
        expected[row], expected_targets[row] = result
    np.testing.assert_allclose(mixed.numpy(), expected, atol=2e-6)
    np.testing.assert_allclose(mixed_targets.numpy(), expected_targets, atol=1e-6)


def test_partner_comes_first_in_sigmoid_concat():
    always = replace(SETTINGS, prob=1.0, sigmoid_share=1.0, sigmoid_min=12)
    draws = draw_mixes(1, always, torch.Generator().manual_seed(0))
    mixed = sigmoid_concat_(torch.ones(1, 3, 4, 256), torch.zeros(1, 3, 4, 256), draws)[0, 0, 0]
    assert mixed[0] < 1e-4
    assert mixed[128] == 0.5
    assert mixed[255] > 1 - 1e-4


def test_no_mixed_rows():
    draws = draw_mixes(4, replace(SETTINGS, prob=0.0), torch.Generator().manual_seed(0))
    inputs, targets = torch.randn(4, 3, 5, 16), torch.rand(4, 7)
    assert torch.equal(sigmoid_concat_(inputs.clone(), inputs[:0], draws), inputs)
    assert torch.equal(mixup_(inputs[:, 0].clone(), inputs[:0, 0], draws), inputs[:, 0])
    assert torch.equal(mix_targets(targets, targets[:0], draws, "mean"), targets)
    assert torch.equal(mix_targets(targets, targets[:0], draws, "union"), targets)


def test_union_of_labels_is_full_for_both_mixers_and_other_rows_stay():
    generator = torch.Generator().manual_seed(0)
    draws = draw_mixes(40, SETTINGS, generator)
    targets, partners = ((torch.rand(n, 7, generator=generator) < 0.3).float() for n in (40, len(draws.rows)))
    expected = targets.numpy().copy()
    for place, row in enumerate(draws.rows.tolist()):
        expected[row] = np.logical_or(expected[row], partners[place].numpy())
    assert 0 < len(draws.mixup) < len(draws.rows) < 40
    np.testing.assert_array_equal(mix_targets(targets, partners, draws, "union").numpy(), expected)


def test_union_of_soft_labels_is_their_sum_up_to_1():
    draws = draw_mixes(1, replace(SETTINGS, prob=1.0, sigmoid_share=0.0), torch.Generator().manual_seed(0))
    mixed = mix_targets(torch.tensor([[0.5, 0.75, 0.0]]), torch.tensor([[0.25, 0.5, 0.0]]), draws, "union")
    assert mixed.tolist() == [[0.75, 1.0, 0.0]]


def test_shares_and_ranges_of_draws():
    draws = draw_mixes(50_000, SETTINGS, torch.Generator().manual_seed(0))
    assert abs(len(draws.rows) / 50_000 - 0.8) < 0.01
    assert abs(len(draws.concat) / len(draws.rows) - 0.6) < 0.01
    assert torch.cat([draws.mixup, draws.concat]).sort()[0].tolist() == list(range(len(draws.rows)))
    counts = torch.bincount(draws.rate)
    assert len(counts) == 13
    assert (counts[:3] == 0).all()
    assert (counts[3:] / len(draws.rows) - 0.1).abs().max() < 0.01
    assert 0 <= draws.alpha.min() < 0.001
    assert 0.499 < draws.alpha.max() <= 0.5
    assert abs(draws.alpha.mean() - 0.25) < 0.005
