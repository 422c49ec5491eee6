"""The whole view, and its draws, against the per-clip reference given the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tagging.augment.views import apply_views, draw_crops, draw_views
from tagging.config import load
from tagging.features.table import LogMels
from tagging.jobs import build
from tests.features.tables import table_of
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
    return table_of([torch.randn(n, 32, generator=generator) * 20 - 50 for n in lengths])


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
    boxes, masks = ([draws.by_name[name] for draws in (first, second)] for name in ("resized_crop", "spec_augment"))
    assert torch.equal(boxes[0].width, boxes[1].width)
    assert torch.equal(masks[0].frame, masks[1].frame)
    assert torch.equal(first.to("cpu").by_name["spec_augment"].band, masks[0].band)


def test_nothing_drawn_is_a_plain_crop(table):
    never = {name: replace(one, prob=0.0) for name, one in SETTINGS.augmentations.items()}
    settings = replace(SETTINGS, wrap_prob=0.0, augmentations=never)
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
    assert list(plain.by_name) == ["resized_crop", "spec_augment"]
    pairs = [(plain.crops, everything.crops), *((one, everything.by_name[name]) for name, one in plain.by_name.items())]
    for drawn, again in pairs:
        assert all(torch.equal(value, getattr(again, field)) for field, value in vars(drawn).items())
    by_hand = torch.Generator().manual_seed(3)
    draw_crops(table.lengths, 64, SETTINGS.wrap_prob, by_hand)
    SETTINGS.augmentations["resized_crop"].draw(len(table), 32, 64, by_hand)
    SETTINGS.augmentations["spec_augment"].draw(len(table), 32, 64, by_hand)
    assert torch.equal(by_hand.get_state(), generators[0].get_state())
