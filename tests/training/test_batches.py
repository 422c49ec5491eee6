from dataclasses import replace

import numpy as np
import pytest
import torch

from tagging import seeds
from tagging.augment.mixers import MixSettings, draw_mixes
from tagging.augment.views import ViewSettings, draw_views
from tagging.config import load
from tagging.config.sections.training import Draws
from tagging.features.table import LogMels
from tagging.jobs import build
from tagging.sources import CURATED, NOISY
from tagging.training.batches import TrainingBatches
from tagging.training.sampling import SourcePools
from tests.features.tables import table_of
from tests.reference.logmel import stacked_deltas
from tests.reference.mixers import mixup, sigmoid_concat
from tests.reference.views import crop, one_by_one

SHORT = ["sampling.frames=32", "predict.tile_step=32"]
BASE = load("base", SHORT)
AUGMENTED, MIXED = build.view_settings(BASE), build.mix_settings(BASE)
PLAIN = replace(
    AUGMENTED, augmentations={name: replace(one, prob=0.0) for name, one in AUGMENTED.augmentations.items()}
)
UNMIXED = replace(MIXED, prob=0.0)
NAMES = ("time_shift", "pitch_shift", "resized_crop", "filter", "noise", "spec_augment")
EVERYTHING = load("base", [*SHORT, "mixer.labels=union", *(f"augment.{name}.prob=0.5" for name in NAMES)])
CLIPS = 30
POOLS = SourcePools({CURATED: torch.arange(20), NOISY: torch.arange(20, 30)}, {CURATED: 0.6, NOISY: 0.4})


@pytest.fixture
def table() -> LogMels:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(5, 100, (CLIPS,), generator=generator).tolist()
    return table_of([torch.randn(n, 16, generator=generator) * 20 - 50 for n in lengths])


def batches(table: LogMels, views: ViewSettings, mixes: MixSettings, **changes) -> TrainingBatches:
    # clip i has label i, so that a target tells which clips it was made of
    arguments = {"batch_size": 24, "steps": 5, "seed": 1, "fold": 2, "device": "cpu"}
    return TrainingBatches(table, torch.eye(CLIPS), POOLS, views, mixes, **(arguments | changes))


def test_shapes(table):
    maker = batches(table, AUGMENTED, MIXED)
    batch = maker.batch(0, 0)
    assert batch.inputs.shape == (24, 3, 16, 32)
    assert batch.inputs.dtype == torch.float32
    assert batch.targets.shape == (24, CLIPS)
    assert batch.sources.shape == (24,)


def test_the_last_batch_of_an_epoch_is_full():
    assert [Draws(batch_size=24, draws_per_epoch=clips).steps for clips in (96, 97, 100)] == [4, 5, 5]


def test_a_batch_depends_on_its_position_alone(table):
    maker = batches(table, AUGMENTED, MIXED)
    maker.batch(0, 0)
    again = batches(table, AUGMENTED, MIXED).batch(3, 1)
    assert torch.equal(maker.batch(3, 1).inputs, again.inputs)
    others = [
        maker.batch(3, 2),
        maker.batch(2, 1),
        batches(table, AUGMENTED, MIXED, seed=2).batch(3, 1),
        batches(table, AUGMENTED, MIXED, fold=0).batch(3, 1),
    ]
    for other in others:
        assert not torch.equal(other.inputs, again.inputs)


def test_unmixed_rows_are_views_of_their_clip(table):
    batch = batches(table, PLAIN, UNMIXED).batch(0, 0)
    assert (batch.targets.sum(dim=1) == 1).all()
    for channels, target in zip(batch.inputs.numpy(), batch.targets, strict=True):
        clip = table.clip(int(target.argmax())).numpy().T
        last = max(0, clip.shape[1] - 32)
        views = [crop(clip, 32, start, wrap) for start in range(last + 1) for wrap in (True, False)]
        distances = [np.abs(stacked_deltas(view) - channels).max() for view in views]
        assert min(distances) < 1e-5


@pytest.mark.parametrize("experiment", [BASE, EVERYTHING], ids=["base", "everything"])
def test_a_batch_equals_the_reference_clip_by_clip(table, experiment):
    views, mixing = build.view_settings(experiment), build.mix_settings(experiment)
    batch = batches(table, views, mixing).batch(0, 1)
    generator = seeds.generator(1, 2, 0, 1, "batch")
    rows, sources = POOLS.draw(24, generator)
    mixes = draw_mixes(24, mixing, generator)
    clips = torch.cat([rows, POOLS.partners(sources[mixes.rows], generator)])
    draws = draw_views(table.lengths[clips], views, 16, generator)
    inputs = [stacked_deltas(view) for view in one_by_one(table, clips, draws, 32)]
    targets = list(np.eye(CLIPS, dtype=np.float32)[clips])
    for place, row in enumerate(mixes.rows.tolist()):
        pair = inputs[row], targets[row], inputs[24 + place], targets[24 + place]
        if place in mixes.concat:
            inputs[row], targets[row] = sigmoid_concat(*pair, int(mixes.rate[place]))
        else:
            inputs[row], targets[row] = mixup(*pair, float(mixes.alpha[place]), mixing.labels)
    assert 0 < len(mixes.concat) < len(mixes.rows) < 24
    np.testing.assert_allclose(batch.inputs.numpy(), np.stack(inputs[:24]), atol=5e-6)
    np.testing.assert_allclose(batch.targets.numpy(), np.stack(targets[:24]), atol=1e-6)
    assert torch.equal(batch.sources, sources)


def test_partners_come_from_the_same_source(table):
    maker = batches(table, PLAIN, MIXED)
    mixed = 0
    for step in range(10):
        batch = maker.batch(0, step)
        noisy = batch.targets[:, 20:].sum(dim=1) > 0
        curated = batch.targets[:, :20].sum(dim=1) > 0
        assert torch.equal(noisy, batch.sources == NOISY)
        assert torch.equal(curated, batch.sources == CURATED)
        mixed += int(((batch.targets > 0).sum(dim=1) == 2).sum())
    # mixed with 0.8, and with a clip other than itself in 19 of 20 or 9 of 10 cases
    assert abs(mixed / 240 - 0.8 * (0.6 * 0.95 + 0.4 * 0.9)) < 0.1


def test_inputs_and_targets_are_mixed_in_the_same_rows(table):
    generator = seeds.generator(1, 2, 0, 0, "batch")
    POOLS.draw(24, generator)
    rows = set(draw_mixes(24, MIXED, generator).rows.tolist())
    batch = batches(table, PLAIN, MIXED).batch(0, 0)
    several = {row for row, target in enumerate(batch.targets) if (target > 0).sum() == 2}
    assert several <= rows
    assert len(rows) - len(several) < 6
