import numpy as np
import pytest
import torch

from tagging.augment.filter import Filter, FilterDraws, band_gains
from tests.reference.views import by_row, filtered


def draw(count: int, shape="linear", prob: float = 1.0, bands=(3, 5), width: int = 6, n_mels: int = 128) -> FilterDraws:
    filtering = Filter(prob, shape, *bands, width, db=6.0)
    return filtering.draw(count, n_mels, 32, torch.Generator().manual_seed(0))


def apply(views: torch.Tensor, draws: FilterDraws) -> torch.Tensor:
    return Filter(1.0, "linear", 3, 5, 6, 6.0).apply(views, draws)


@pytest.mark.parametrize("shape", ["linear", "step"])
@pytest.mark.parametrize(("n_mels", "bands", "width"), [(128, (3, 5), 6), (16, (1, 16), 6), (16, (2, 2), 1)])
def test_equals_filtering_one_after_another(shape, n_mels, bands, width):
    views = torch.randn(50, n_mels, 32, generator=torch.Generator().manual_seed(1)) * 20 - 50
    draws = draw(50, shape, 0.7, bands, width, n_mels)
    result = apply(views.clone(), draws).numpy()
    expected = views.numpy().copy()
    for row, curve in by_row(draws, "edges", "first", "last").items():
        expected[row] = filtered(expected[row], *curve)
    assert 16 < len(draws.rows) < 50
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_a_line_runs_through_each_band_and_a_step_stands():
    edges = torch.tensor([[0, 3, 8, 8]])
    first, last = torch.tensor([[0.0, 4.0, 9.0]]), torch.tensor([[4.0, -4.0, 9.0]])
    line = band_gains(FilterDraws(torch.tensor([0]), edges, first, last), 8)
    assert line.tolist() == [[0, 2, 4, 4, 2, 0, -2, -4]]
    step = band_gains(FilterDraws(torch.tensor([0]), edges, first, first), 8)
    assert step.tolist() == [[0, 0, 0, 4, 4, 4, 4, 4]]


def test_numbers_of_bands_are_uniform_and_no_band_is_too_narrow():
    edges = draw(20_000).edges
    widths = edges.diff(dim=1)
    assert (edges[:, 0] == 0).all()
    assert (edges[:, -1] == 128).all()
    shares = torch.bincount((widths > 0).sum(dim=1)) / 20_000
    assert (shares[:3] == 0).all()
    assert (shares[3:] - 1 / 3).abs().max() < 0.015
    assert widths[widths > 0].min() == 6
    three = widths[(widths > 0).sum(dim=1) == 3][:, :3].double()
    assert (three.mean(dim=0) - 128 / 3).abs().max() < 1.5
    assert three.max() == 116


def test_bands_are_narrower_where_they_would_not_fit():
    widths = draw(5_000, bands=(5, 5), n_mels=16).edges.diff(dim=1)
    assert widths.min() == 3
    assert widths.max() == 4


def test_gains_are_uniform_and_lines_meet():
    draws = draw(20_000)
    for gains in (draws.first, draws.last):
        assert -6 <= gains.min() < -5.99
        assert 5.99 < gains.max() <= 6
        assert abs(gains.mean()) < 0.05
        assert abs(gains.std() - 12 / 12**0.5) < 0.05
    assert torch.equal(draws.last[:, :-1], draws.first[:, 1:])
    step = draw(20_000, "step")
    assert torch.equal(step.first, step.last)
    assert abs(torch.corrcoef(step.first.T)[0, 1]) < 0.03


def test_share_of_views():
    assert abs(len(draw(20_000, prob=0.3).rows) / 20_000 - 0.3) < 0.015
    assert draw(5).rows.tolist() == [0, 1, 2, 3, 4]
    views = torch.randn(3, 128, 32)
    assert torch.equal(apply(views.clone(), draw(3, prob=0.0)), views)
