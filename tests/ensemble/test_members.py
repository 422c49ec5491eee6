"""Scores of single candidates and their likeness."""

import numpy as np
from scipy.stats import spearmanr

from tagging.ensemble import members
from tagging.ensemble.pool import Pool
from tagging.metrics import lwlrap
from tests.ensemble.pools import random_pool


def test_scores_are_lwlrap_overall_and_fold_by_fold():
    pool = random_pool(candidates=3)
    of_folds = members.fold_scores(pool)
    for index, one in enumerate(pool.probabilities):
        for fold in range(3):
            clips = pool.fold == fold
            assert of_folds[index, fold] == lwlrap(pool.truth[clips], one[clips])
    pooled = of_folds @ pool.labels_per_fold / pool.labels_per_fold.sum()
    np.testing.assert_allclose(members.scores(pool), pooled)


def test_a_fold_without_labels_has_no_score():
    pool = Pool(["a"], [np.eye(4)], np.diag([1, 0, 0, 1]), [0, 1, 1, 2])
    np.testing.assert_array_equal(members.fold_scores(pool), [[1, np.nan, 1]])


def test_correlation_is_spearmans():
    pool = random_pool(candidates=4, levels=5)
    expected = spearmanr(pool.probabilities.reshape(4, -1), axis=1).statistic
    np.testing.assert_allclose(members.correlation(pool), expected, atol=1e-12)


def test_a_candidate_that_says_nothing_correlates_with_nothing():
    pool = Pool(["flat", "b"], [np.full((4, 4), 0.5), np.eye(4)], np.eye(4), [0, 0, 1, 1])
    np.testing.assert_allclose(members.correlation(pool), [[np.nan, np.nan], [np.nan, 1]])
