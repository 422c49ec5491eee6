"""Means over tiles and over models."""

import numpy as np
import pytest
from scipy.stats import gmean

from tagging.inference.blend import geometric_mean, mean_over_tiles


def probabilities(rows, classes=5, seed=0):
    return np.random.default_rng(seed).random((rows, classes), dtype=np.float32)


def test_mean_over_tiles_is_each_clips_own_mean_in_any_order():
    tiles, clip = probabilities(7), np.array([2, 0, 1, 2, 2, 0, 1])
    means = mean_over_tiles(tiles, clip, 3)
    assert means.dtype == np.float32
    np.testing.assert_allclose(means, [tiles[clip == k].mean(axis=0) for k in range(3)], rtol=1e-6)


def test_a_clip_without_tiles_is_refused():
    with pytest.raises(ValueError, match="1 of 3 clips have no tile, first number 1"):
        mean_over_tiles(probabilities(2), np.array([0, 2]), 3)


def test_geometric_mean_is_scipys():
    members = [probabilities(4, seed=seed) for seed in range(5)]
    before = [member.copy() for member in members]
    blended = geometric_mean(members)
    assert blended.dtype == np.float32
    np.testing.assert_allclose(blended, gmean(np.stack(members), axis=0), rtol=1e-6)
    np.testing.assert_array_equal(members, before)


def test_a_zero_is_floored_and_does_not_silence_the_others():
    blended = geometric_mean([np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)])
    np.testing.assert_allclose(blended, np.sqrt(1e-7), rtol=1e-6)
    assert geometric_mean([np.zeros((1, 1), np.float32)], floor=1e-3) == pytest.approx(1e-3)


def test_one_model_is_its_own_mean():
    alone = probabilities(3)
    np.testing.assert_allclose(geometric_mean([alone]), alone, rtol=1e-6)
