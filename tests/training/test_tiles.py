from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tagging.errors import UserError
from tagging.metrics import lwlrap
from tagging.models.stacking import FCNet
from tagging.sources import CURATED, NAMES
from tagging.training.losses import SourceLoss, Term
from tagging.training.tiles import ClipTiles, TileBatches, TileValidation, draw_tiles, picked_tiles
from tests.reference.tiles import picked_mean

LOSS = SourceLoss([Term("bce", {}, 1.0)] * len(NAMES), (1.0,))


def clips(count: int = 20, inputs: int = 6, most: int = 9) -> ClipTiles:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, most + 1, (count,), generator=generator)
    return ClipTiles(torch.rand(int(lengths.sum()), inputs, generator=generator), lengths)


def split(tiles: ClipTiles) -> list[np.ndarray]:
    return [part.numpy() for part in tiles.rows.split(tiles.lengths.tolist())]


@pytest.mark.parametrize(("crop_prob", "subset_prob"), [(0, 0), (1, 0), (0, 1), (0.5, 0.5), (1, 1)])
def test_a_batch_equals_its_clips_one_by_one(crop_prob: float, subset_prob: float) -> None:
    tiles = clips()
    drawn = torch.arange(20).repeat(10)
    draws = draw_tiles(tiles.lengths[drawn], crop_prob, subset_prob, torch.Generator().manual_seed(1))
    first = (tiles.lengths.cumsum(0) - tiles.lengths)[drawn]
    rows = torch.repeat_interleave(first, draws.size) + picked_tiles(draws)
    means = tiles.means(rows, draws.size).numpy()
    keys = draws.keys.split(draws.length.tolist())
    for place, clip in enumerate(drawn.tolist()):
        start, length, size = (int(part[place]) for part in (draws.start, draws.length, draws.size))
        assert 0 <= start <= start + length <= tiles.lengths[clip]
        expected = picked_mean(split(tiles)[clip], start, length, size, keys[place].numpy())
        np.testing.assert_allclose(means[place], expected, atol=1e-6)


def test_without_augmentation_all_tiles_count() -> None:
    tiles = clips()
    expected = [part.mean(axis=0) for part in split(tiles)]
    np.testing.assert_allclose(tiles.clip_means().numpy(), expected, atol=1e-6)
    draws = draw_tiles(tiles.lengths, 0, 0, torch.Generator().manual_seed(1))
    assert draws.size.equal(tiles.lengths)
    by_clip = picked_tiles(draws).split(draws.size.tolist())
    assert [sorted(some.tolist()) for some in by_clip] == [list(range(n)) for n in tiles.lengths.tolist()]


def test_a_crop_has_every_length_and_then_every_start_alike() -> None:
    draws = draw_tiles(torch.full((40_000,), 4), 1, 0, torch.Generator().manual_seed(2))
    counts = torch.bincount(draws.length, minlength=5)[1:]
    assert (counts / 40_000 - 0.25).abs().max() < 0.01
    for length in range(1, 5):
        starts = torch.bincount(draws.start[draws.length == length], minlength=5 - length) / counts[length - 1]
        assert len(starts) == 5 - length
        assert (starts - 1 / (5 - length)).abs().max() < 0.02
    assert draws.size.equal(draws.length)


def test_a_subset_has_every_size_and_then_every_set_of_that_size_alike() -> None:
    draws = draw_tiles(torch.full((40_000,), 4), 0, 1, torch.Generator().manual_seed(3))
    found: dict[tuple[int, ...], int] = {}
    for tiles in picked_tiles(draws).split(draws.size.tolist()):
        key = tuple(sorted(tiles.tolist()))
        found[key] = found.get(key, 0) + 1
    for size in range(1, 5):
        sets = list(itertools.combinations(range(4), size))
        shares = [found[one] / 40_000 for one in sets]
        assert max(abs(share - 0.25 / len(sets)) for share in shares) < 0.01
    assert len(found) == 15


def test_crop_and_subset_come_as_often_as_they_should() -> None:
    draws = draw_tiles(torch.full((40_000,), 1000), 0.5, 0.5, torch.Generator().manual_seed(4))
    cropped, some = draws.length < 1000, draws.size < draws.length
    assert float(cropped.float().mean()) == pytest.approx(0.5, abs=0.01)
    assert float(some[~cropped].float().mean()) == pytest.approx(0.5, abs=0.01)


def batches(seed: int = 0, fold: int = 0) -> TileBatches:
    tiles = clips()
    targets = torch.eye(20)
    return TileBatches(tiles, targets, torch.tensor([3, 4, 11]), 0.5, 0.5, 16, 3, seed=seed, fold=fold)


def test_a_batch_is_a_function_of_seed_fold_epoch_and_step() -> None:
    maker = batches()
    first = maker.batch(1, 0)
    assert first.inputs.equal(batches().batch(1, 0).inputs)
    for other in (maker.batch(1, 1), maker.batch(2, 0), batches(seed=1).batch(1, 0), batches(fold=1).batch(1, 0)):
        assert not first.inputs.equal(other.inputs)


def test_draws_are_of_the_folds_clips_alone_each_as_often_and_keep_their_targets() -> None:
    maker = batches()
    seen = torch.cat([maker.batch(1, step).targets for step in range(200)])
    shares = seen.mean(dim=0)
    assert set(shares.nonzero().flatten().tolist()) == {3, 4, 11}
    assert (shares[[3, 4, 11]] - 1 / 3).abs().max() < 0.03
    batch = maker.batch(1, 0)
    assert (batch.inputs.shape, batch.targets.shape) == ((16, 6), (16, 20))
    assert set(batch.sources.tolist()) == {CURATED}
    single = ClipTiles(torch.eye(3), torch.ones(3, dtype=torch.int64))
    lone = TileBatches(single, torch.eye(3), torch.arange(3), 1, 1, 8, 1, seed=0, fold=0)
    assert lone.batch(1, 0).inputs.equal(lone.batch(1, 0).targets)


def test_validation_scores_the_mean_over_all_tiles() -> None:
    tiles, targets = clips(), (torch.rand(20, 3, generator=torch.Generator().manual_seed(5)) < 0.5).float()
    model = FCNet(6, 3, 4, 2, 0.5)
    loss, score = TileValidation(tiles.clip_means(), targets, LOSS)(model)
    assert not model.training  # dropout is off
    with torch.no_grad():
        logits = model(torch.stack([torch.from_numpy(part.mean(axis=0)) for part in split(tiles)]))[0]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert loss == pytest.approx(float(expected), abs=1e-6)
    assert score == lwlrap(targets.numpy(), logits.numpy())


def test_an_output_that_is_not_finite_stops() -> None:
    model = FCNet(6, 3, 4, 2, 0.5)
    torch.nn.init.constant_(model.layers[-1].bias, float("nan"))
    with pytest.raises(UserError) as caught:
        TileValidation(clips().clip_means(), torch.ones(20, 3), LOSS)(model)
    assert str(caught.value) == "the stacker's output on the held-out fold is not finite; lower optimizer.lr"
