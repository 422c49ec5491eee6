"""Scores of blends' float32 means, against SciPy's mean and scikit-learn's score of it."""

import numpy as np
import pytest
from scipy.stats import gmean
from sklearn.metrics import label_ranking_average_precision_score

from tagging.ensemble.blend import FLOOR, Blend
from tagging.ensemble.pool import METHODS
from tagging.ensemble.scoring import Scorer
from tagging.ensemble.selection import clip_sums, rescored
from tests.ensemble.pools import random_pool


def written(pool, blend, clips):
    """lwlrap by scikit-learn of a mean by SciPy or NumPy, on some clips."""
    given = pool.probabilities[:, clips].astype(np.float64)
    if blend.method == "geometric":
        mean = gmean(np.maximum(given, FLOOR), weights=np.array(blend.counts)[:, None, None])
    else:
        mean = np.average(given, axis=0, weights=blend.counts)
    truth = pool.truth[clips]
    some = truth.any(axis=1)
    return label_ranking_average_precision_score(truth[some], mean[some], sample_weight=truth[some].sum(axis=1))


@pytest.mark.parametrize("method", METHODS)
def test_a_selection_is_scored_as_anyone_scores_its_table(method):
    pool = random_pool(clips=90)
    blends = [Blend(method, counts) for counts in [(1, 1, 1, 0, 0), (3, 0, 0, 1, 0), (0, 1, 0, 0, 2), (1, 1, 1, 1, 1)]]
    chosen = Scorer(pool, method).selection(blends[0], blends[1:])
    found = rescored(pool, chosen)
    assert (found.blend, found.fold_blends) == (chosen.blend, chosen.fold_blends)
    assert found.score == pytest.approx(written(pool, blends[0], slice(None)), abs=1e-12)
    of_folds = [written(pool, blend, pool.fold == fold) for fold, blend in enumerate(blends[1:])]
    assert found.fold_scores == pytest.approx(of_folds, abs=1e-12)
    assert found.nested == pytest.approx(np.average(of_folds, weights=pool.labels_per_fold), abs=1e-12)


def test_differences_too_small_for_the_search_count():
    pool = random_pool(clips=90)
    close = type(pool)(["close"], [0.5 + 6e-8 * (pool.probabilities[0] > 0.5)], pool.truth, pool.fold)
    blend = Blend("geometric", (1,))
    chosen = Scorer(close, "geometric").selection(blend, [blend] * 3)
    expected = written(close, blend, slice(None))
    assert rescored(close, chosen).score == pytest.approx(expected, abs=1e-12)
    assert expected > chosen.score + 0.05


def test_a_fold_without_labels_has_no_score():
    pool = random_pool(folds=2, clips=30)
    truth = pool.truth & (pool.fold == 0)[:, None]
    truth[0, 0] = True
    emptied = type(pool)(pool.names, list(pool.probabilities), truth, pool.fold)
    blend = Blend("geometric", (1, 0, 0, 0, 0))
    found = rescored(emptied, Scorer(emptied, "geometric").selection(blend, [blend, blend]))
    assert np.isnan(found.fold_scores[1])
    assert found.nested == pytest.approx(found.score)
    assert (clip_sums(emptied, blend, emptied.fold == 1) == 0).all()
