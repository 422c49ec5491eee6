import numpy as np
import torch

from tagging.augment.shifts import ShiftDraws, TimeShift
from tests.reference.views import time_shift


def draw(count: int, prob: float = 1.0, max_share: float = 0.5) -> ShiftDraws:
    return TimeShift(prob, max_share).draw(count, 8, 64, torch.Generator().manual_seed(0))


def apply(views: torch.Tensor, draws: ShiftDraws) -> torch.Tensor:
    return TimeShift(1.0, 0.5).apply(views, draws)


def test_equals_rolling_one_after_another():
    views = torch.randn(50, 8, 64, generator=torch.Generator().manual_seed(1))
    draws = draw(50, prob=0.7)
    shifted = apply(views.clone(), draws).numpy()
    expected = views.numpy().copy()
    for row, frames in zip(draws.rows.tolist(), draws.by.tolist(), strict=True):
        expected[row] = time_shift(expected[row], frames)
    assert 16 < len(draws.rows) < 50
    np.testing.assert_array_equal(shifted, expected)


def test_a_positive_shift_is_later_and_the_end_comes_round():
    views = torch.arange(4.0).expand(1, 2, 4).clone()
    apply(views, ShiftDraws(torch.tensor([0]), torch.tensor([1])))
    assert views[0].tolist() == [[3, 0, 1, 2]] * 2


def test_shifts_are_uniform_either_way():
    draws = draw(20_000, max_share=0.1)
    counts = torch.bincount(draws.by + 6)
    assert len(counts) == 13
    assert (counts / 20_000 - 1 / 13).abs().max() < 0.01
    assert draw(20_000).by.min() == -32
    assert draw(20_000).by.max() == 32


def test_share_of_views():
    assert abs(len(draw(20_000, prob=0.3).rows) / 20_000 - 0.3) < 0.015
    assert draw(5).rows.tolist() == [0, 1, 2, 3, 4]
    views = torch.randn(3, 8, 64)
    assert torch.equal(apply(views.clone(), draw(3, prob=0.0)), views)
    assert torch.equal(apply(views.clone(), draw(3, max_share=0.0)), views)
