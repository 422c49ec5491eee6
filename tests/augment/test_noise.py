import numpy as np
import torch

from tagging.augment.noise import Noise, NoiseDraws
from tests.reference.views import by_row, noisy


def draw(count: int, prob: float = 1.0, n_mels: int = 16, frames: int = 32) -> NoiseDraws:
    return Noise(prob, 3.0).draw(count, n_mels, frames, torch.Generator().manual_seed(0))


def apply(views: torch.Tensor, draws: NoiseDraws) -> torch.Tensor:
    return Noise(1.0, 3.0).apply(views, draws)


def test_equals_adding_one_after_another():
    views = torch.randn(50, 16, 32, generator=torch.Generator().manual_seed(1)) * 20 - 50
    draws = draw(50, prob=0.7)
    result = apply(views.clone(), draws).numpy()
    expected = views.numpy().copy()
    for row, (db, start) in by_row(draws, "db", "starts").items():
        expected[row] = noisy(expected[row], db, draws.bank.numpy(), start)
    assert 16 < len(draws.rows) < 50
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_noise_of_a_view_is_normal_white_and_as_strong_as_drawn():
    draws = draw(4, n_mels=128, frames=256)
    for noise, db in zip(apply(torch.zeros(4, 128, 256), draws), draws.db, strict=True):
        values = (noise / db).double()
        assert abs(values.mean()) < 0.02
        assert abs(values.std() - 1) < 0.02
        assert abs((values.abs() < 1).double().mean() - 0.6827) < 0.01
        assert abs((values[:, 1:] * values[:, :-1]).mean()) < 0.02
        assert abs((values[1:] * values[:-1]).mean()) < 0.02
        assert len(values.unique()) > 32_000


def test_views_of_a_batch_and_batches_differ():
    generator = torch.Generator().manual_seed(0)
    draws = [Noise(1.0, 3.0).draw(2, 16, 32, generator) for _ in range(2)]
    (first, second), (third, _) = (apply(torch.zeros(2, 16, 32), drawn) for drawn in draws)
    assert not torch.isclose(first, second).any()
    assert not torch.isclose(first, third).any()


def test_strengths_and_starts_are_uniform():
    draws = draw(20_000)
    assert 0 <= draws.db.min() < 0.001
    assert 2.999 < draws.db.max() <= 3
    assert abs(draws.db.mean() - 1.5) < 0.02
    assert len(draws.bank) == 2 * 16 * 32
    assert draws.starts.min() == 0
    assert draws.starts.max() == 16 * 32
    assert abs(draws.starts.double().mean() - 8 * 32) < 4


def test_share_of_views():
    assert abs(len(draw(20_000, prob=0.3).rows) / 20_000 - 0.3) < 0.015
    assert draw(5).rows.tolist() == [0, 1, 2, 3, 4]
    none = draw(3, prob=0.0)
    assert len(none.bank) == 0
    views = torch.randn(3, 16, 32)
    assert torch.equal(apply(views.clone(), none), views)
