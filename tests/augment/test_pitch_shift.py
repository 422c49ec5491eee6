import numpy as np
import torch

from tagging.augment.shifts import PitchShift, ShiftDraws
from tests.reference.views import pitch_shift


def draw(count: int, prob: float = 1.0, max_bands: int = 4) -> ShiftDraws:
    return PitchShift(prob, max_bands).draw(count, 16, 32, torch.Generator().manual_seed(0))


def apply(views: torch.Tensor, draws: ShiftDraws) -> torch.Tensor:
    return PitchShift(1.0, 4).apply(views, draws)


def test_equals_moving_one_after_another():
    views = torch.randn(50, 16, 32, generator=torch.Generator().manual_seed(1)) * 20 - 50
    draws = draw(50, prob=0.7, max_bands=15)
    moved = apply(views.clone(), draws).numpy()
    expected = views.numpy().copy()
    for row, bands in zip(draws.rows.tolist(), draws.by.tolist(), strict=True):
        expected[row] = pitch_shift(expected[row], bands)
    assert 16 < len(draws.rows) < 50
    np.testing.assert_array_equal(moved, expected)


def test_a_positive_shift_is_up_and_free_bands_hold_the_minimum():
    views = torch.tensor([[[-10.0], [-30.0], [-20.0], [-5.0]]]).repeat(2, 1, 1)
    apply(views, ShiftDraws(torch.tensor([0, 1]), torch.tensor([1, -2])))
    assert views[:, :, 0].tolist() == [[-30, -10, -30, -20], [-20, -5, -30, -30]]


def test_shifts_are_uniform_up_and_down():
    counts = torch.bincount(draw(20_000).by + 4)
    assert len(counts) == 9
    assert (counts / 20_000 - 1 / 9).abs().max() < 0.01


def test_share_of_views():
    assert abs(len(draw(20_000, prob=0.3).rows) / 20_000 - 0.3) < 0.015
    assert draw(5).rows.tolist() == [0, 1, 2, 3, 4]
    views = torch.randn(3, 16, 32)
    assert torch.equal(apply(views.clone(), draw(3, prob=0.0)), views)
