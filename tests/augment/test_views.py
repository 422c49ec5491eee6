"""The whole view, and its draws, against the per-clip reference given the same numbers."""

import numpy as np
import pytest
import torch

from tagging.augment.views import ViewSettings, apply_views, draw_views
from tagging.features.table import LogMels
from tests.reference import views as reference

SETTINGS = ViewSettings(
    frames=64,
    wrap_prob=0.5,
    resize_prob=0.5,
    scale_min=0.75,
    scale_max=1.0,
    ratio_min=1.6,
    ratio_max=2.4,
    mask_prob=0.5,
    mask_count=2,
    mask_freq=0.15,
    mask_time=0.20,
)


@pytest.fixture
def table() -> LogMels:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(5, 200, (40,), generator=generator).tolist()
    return LogMels.from_clips([torch.randn(n, 32, generator=generator) * 20 - 50 for n in lengths])


def test_views_equal_the_reference(table):
    generator = torch.Generator().manual_seed(1)
    clips = torch.randint(0, len(table), (200,), generator=generator)
    draws = draw_views(table.lengths[clips], SETTINGS, 32, generator)
    views = apply_views(table, clips, draws, SETTINGS)
    assert views.shape == (200, 32, 64)
    assert views.dtype == torch.float32
    np.testing.assert_allclose(views.numpy(), reference.one_by_one(table, clips, draws, SETTINGS.frames), atol=2e-4)


def test_same_generator_same_draws(table):
    first, second = (draw_views(table.lengths, SETTINGS, 32, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first.crops.starts, second.crops.starts)
    assert torch.equal(first.resized.width, second.resized.width)
    assert torch.equal(first.masks.frame, second.masks.frame)
    assert torch.equal(first.to("cpu").masks.band, first.masks.band)


def test_nothing_drawn_is_a_plain_crop(table):
    settings = ViewSettings(**{**vars(SETTINGS), "resize_prob": 0.0, "mask_prob": 0.0, "wrap_prob": 0.0})
    clips = torch.arange(len(table))
    draws = draw_views(table.lengths, settings, 32, torch.Generator().manual_seed(2))
    views = apply_views(table, clips, draws, settings)
    for row, start in enumerate(draws.crops.starts.tolist()):
        expected = reference.crop(table.clip(row).numpy().T, 64, start, wrap=False)
        np.testing.assert_array_equal(views[row].numpy(), expected)
