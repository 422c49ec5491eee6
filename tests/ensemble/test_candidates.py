"""Scores of single candidates and their likeness."""

import numpy as np
from scipy.stats import spearmanr

from tagging.ensemble import candidates
from tagging.ensemble.pool import Pool
from tagging.metrics import lwlrap
from tests.ensemble.pools import random_pool


def test_scores_are_lwlrap():
    pool = random_pool(candidates=3)
    expected = [lwlrap(pool.truth, one) for one in pool.probabilities]
    np.testing.assert_array_equal(candidates.scores(pool), expected)


def test_correlation_is_spearmans():
    pool = random_pool(candidates=4, levels=5)
    expected = spearmanr(pool.probabilities.reshape(4, -1), axis=1).statistic
    np.testing.assert_allclose(candidates.correlation(pool), expected, atol=1e-12)


def test_a_constant_candidate_correlates_with_nothing():
    pool = Pool(["flat", "b"], [np.full((4, 4), 0.5), np.eye(4)], np.eye(4), [0, 0, 1, 1])
    np.testing.assert_allclose(candidates.correlation(pool), [[np.nan, np.nan], [np.nan, 1]])
