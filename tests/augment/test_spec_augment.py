import numpy as np
import torch

from tagging.augment.spec_augment import MaskDraws, SpecAugment
from tests.reference.views import spec_augment


def draw(count: int, prob: float = 1.0, rounds: int = 2, freq: float = 0.15, time: float = 0.2) -> MaskDraws:
    return SpecAugment(prob, rounds, freq, time).draw(count, 128, 256, torch.Generator().manual_seed(0))


def apply(views: torch.Tensor, draws: MaskDraws) -> torch.Tensor:
    return SpecAugment(1.0, 2, 0.15, 0.2).apply(views, draws)


def test_equal_masking_one_after_another():
    views = torch.randn(50, 128, 256, generator=torch.Generator().manual_seed(1)) * 20 - 50
    draws = draw(50, prob=0.7)
    masked = apply(views.clone(), draws)
    for row, view in enumerate(views):
        bands = list(zip(draws.band[row].tolist(), draws.band_width[row].tolist(), strict=True))
        spans = list(zip(draws.frame[row].tolist(), draws.frame_width[row].tolist(), strict=True))
        np.testing.assert_array_equal(masked[row].numpy(), spec_augment(view.numpy(), bands, spans))


def test_masks_lie_within_the_view_and_have_the_drawn_widths():
    draws = draw(50_000, rounds=1)
    assert draws.band_width.min() == 0
    assert draws.band_width.max() == 19
    assert draws.frame_width.max() == 51
    assert abs(draws.band_width.double().mean() - (sum(range(19)) + 19 * 0.2) / 19.2) < 0.05
    assert draws.band.min() == 0
    assert (draws.band + draws.band_width).max() == 127
    assert (draws.frame + draws.frame_width).max() == 255


def test_shares_of_views_and_of_rounds():
    draws = draw(50_000, prob=0.5, freq=0.5, time=0.5)
    # a width of at least 1 is all but certain: 127 of 128 draws
    rounds = (draws.frame_width > 0).sum(dim=1)
    shares = torch.bincount(rounds, minlength=3) / 50_000
    assert (shares - torch.tensor([0.5, 0.25, 0.25])).abs().max() < 0.015


def test_no_masks_leave_the_views_alone():
    views = torch.randn(3, 128, 256)
    assert torch.equal(apply(views.clone(), draw(3, prob=0.0)), views)
