"""Weighted means against SciPy's, and the blend of equal weights against the one that prediction uses."""

import numpy as np
import pytest
from scipy.stats import gmean

from tagging.ensemble.blend import Blend, weighted_mean
from tagging.inference.blend import geometric_mean
from tests.ensemble.pools import random_pool


def test_weighted_means_are_scipys_and_numpys():
    members, weights = random_pool().probabilities[:3], (3, 1, 2)
    geometric = weighted_mean(members, weights, "geometric")
    assert geometric.dtype == np.float32
    np.testing.assert_allclose(geometric, gmean(np.repeat(members.astype(float), weights, axis=0)), rtol=1e-6)
    arithmetic = weighted_mean(members, weights, "arithmetic")
    np.testing.assert_allclose(arithmetic, np.average(members, axis=0, weights=weights), rtol=1e-6)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_equal_weights_are_the_geometric_mean_of_prediction(number):
    members = random_pool(candidates=number, levels=3, clips=200).probabilities  # with exact zeros
    assert (members == 0).any()
    blended = weighted_mean(members, [1] * number, "geometric")
    np.testing.assert_allclose(blended, geometric_mean(list(members)), rtol=2e-7)


def test_a_blend_of_blends_over_folds_is_the_blend_of_all():
    members, weights = random_pool(candidates=6).probabilities.reshape(2, 3, 40, 7), (3, 1)
    by_fold = [weighted_mean(members[:, fold], weights, "geometric") for fold in range(3)]
    by_member = [geometric_mean(list(of_member)) for of_member in members]
    expected = weighted_mean(by_member, weights, "geometric")
    np.testing.assert_allclose(geometric_mean(by_fold), expected, rtol=1e-6)


def test_a_blend_knows_its_members_and_their_shares():
    blend = Blend("geometric", (0, 3, 0, 1))
    assert (blend.members, blend.weights) == ((1, 3), (0.75, 0.25))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "1 weights for 2 members"),
        ([1, -1], r"weights must be at least 0 and not all 0: \[1, -1\]"),
        ([0, 0], r"weights must be at least 0 and not all 0: \[0, 0\]"),
        ([1, np.nan], r"weights must be at least 0 and not all 0: \[1, nan\]"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weights, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        weighted_mean(random_pool().probabilities[:2], weights, "geometric")
