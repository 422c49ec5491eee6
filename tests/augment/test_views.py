"""The whole view, and its draws, against the per-clip reference given the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tagging.augment.crop import draw_crops
from tagging.augment.resized_crop import draw_resized_crops
from tagging.augment.spec_augment import draw_masks
from tagging.augment.views import apply_views, draw_views
from tagging.config import load
from tagging.features.table import LogMels
from tagging.jobs import build
from tests.reference import views as reference

ORIGINAL = ["augment.resized_crop.prob=0.5", "augment.resized_crop.scale_min=0.75"]
ADDED = [f"augment.{name}.prob=0.5" for name in ("time_shift", "pitch_shift", "filter", "noise")]
SETTINGS, EVERYTHING = (
    build.view_settings(load("base", ["sampling.frames=64", *changes])) for changes in (ORIGINAL, ORIGINAL + ADDED)
)


@pytest.fixture
def table() -> LogMels:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(5, 200, (40,), generator=generator).tolist()
    return LogMels.from_clips([torch.randn(n, 32, generator=generator) * 20 - 50 for n in lengths])


@pytest.mark.parametrize("settings", [SETTINGS, EVERYTHING], ids=["original", "everything"])
def test_views_equal_the_reference(table, settings):
    generator = torch.Generator().manual_seed(1)
    clips = torch.randint(0, len(table), (200,), generator=generator)
    draws = draw_views(table.lengths[clips], settings, 32, generator)
    views = apply_views(table, clips, draws, settings)
    assert views.shape == (200, 32, 64)
    assert views.dtype == torch.float32
    np.testing.assert_allclose(views.numpy(), reference.one_by_one(table, clips, draws, 64), atol=2e-4)


def test_same_generator_same_draws(table):
    first, second = (draw_views(table.lengths, SETTINGS, 32, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first.crops.starts, second.crops.starts)
    assert torch.equal(first.resized.width, second.resized.width)
    assert torch.equal(first.masks.frame, second.masks.frame)
    assert torch.equal(first.to("cpu").masks.band, first.masks.band)


def test_nothing_drawn_is_a_plain_crop(table):
    never = replace(SETTINGS.resized_crop, prob=0.0), replace(SETTINGS.masks, prob=0.0)
    settings = replace(SETTINGS, wrap_prob=0.0, resized_crop=never[0], masks=never[1])
    clips = torch.arange(len(table))
    draws = draw_views(table.lengths, settings, 32, torch.Generator().manual_seed(2))
    views = apply_views(table, clips, draws, settings)
    for row, start in enumerate(draws.crops.starts.tolist()):
        expected = reference.crop(table.clip(row).numpy().T, 64, start, wrap=False)
        np.testing.assert_array_equal(views[row].numpy(), expected)


def test_what_is_added_draws_after_the_original_and_nothing_when_off(table):
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    plain, everything = (
        draw_views(table.lengths, settings, 32, generator)
        for settings, generator in zip((SETTINGS, EVERYTHING), generators, strict=True)
    )
    for name in ("crops", "resized", "masks"):
        drawn, again = vars(getattr(plain, name)), vars(getattr(everything, name))
        assert all(torch.equal(drawn[field], again[field]) for field in drawn)
    assert [plain.time_shifts, plain.pitch_shifts, plain.filters, plain.noise] == [None] * 4
    by_hand = torch.Generator().manual_seed(3)
    draw_crops(table.lengths, 64, SETTINGS.wrap_prob, by_hand)
    draw_resized_crops(len(table), 32, 64, SETTINGS.resized_crop, by_hand)
    draw_masks(len(table), 32, 64, SETTINGS.masks, by_hand)
    assert torch.equal(by_hand.get_state(), generators[0].get_state())
