"""Every sum of precisions is scikit-learn's lwlrap of the same integers, and that of plain NumPy to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagging.ensemble.blend import Blend, weighted_mean
from tagging.ensemble.pairs import PRECISION_ONE, undecided_pairs
from tagging.ensemble.pool import METHODS, Pool
from tagging.ensemble.scoring import Scorer
from tagging.ensemble.subsets import Limits, members_of, plan
from tagging.metrics import lwlrap, lwlrap_per_clip
from tests.ensemble.pools import plain_clip_sums, plain_subset_sums, pools, random_pool, reference

methods = pytest.mark.parametrize("method", METHODS)


@methods
@settings(max_examples=8, deadline=None)
@given(pool=pools, data=st.data())
def test_every_subset_is_scored_as_scikit_learn_does(method, pool, data):
    must = tuple(data.draw(st.sets(st.integers(0, len(pool) - 1), max_size=len(pool) - 1)))
    subsets = plan(len(pool), Limits(must=must))
    scorer = Scorer(pool, method, threads=2)
    sums = scorer.subset_sums(subsets)
    for members, of_folds in zip(members_of(subsets.masks(), len(pool)), sums.T, strict=True):
        assert scorer.lwlrap(of_folds) == pytest.approx(reference(pool, method, members.astype(int)), abs=1e-9)
        for fold, of_fold in enumerate(of_folds):
            expected = reference(pool, method, members.astype(int), pool.fold == fold) * scorer.labels[fold]
            assert of_fold / PRECISION_ONE == pytest.approx(expected, abs=1e-9)


@methods
@settings(max_examples=15, deadline=None)
@given(pool=pools, data=st.data())
def test_sums_are_those_of_plain_numpy_to_the_bit(method, pool, data):
    counts = data.draw(st.lists(st.integers(0, 50), min_size=len(pool), max_size=len(pool)).filter(any))
    scorer = Scorer(pool, method, threads=2)
    rows = np.array([counts, [1] * len(pool)])
    np.testing.assert_array_equal(scorer.clip_sums(rows), plain_clip_sums(pool, method, rows))
    subsets = plan(len(pool), Limits())
    np.testing.assert_array_equal(scorer.subset_sums(subsets), plain_subset_sums(pool, method, subsets))


@methods
def test_more_high_parts_than_a_block_holds(method):
    pool = random_pool(candidates=15, clips=12)
    subsets = plan(15, Limits())
    sums = Scorer(pool, method).subset_sums(subsets)
    np.testing.assert_array_equal(sums, plain_subset_sums(pool, method, subsets))


@methods
def test_weights_are_scored_as_scikit_learn_does(method):
    pool = random_pool(levels=4)
    counts = np.random.default_rng(0).integers(0, 30, (150, len(pool)))
    counts[:, 0] += counts.sum(axis=1) == 0
    scorer = Scorer(pool, method, threads=2)
    for row, of_folds in zip(counts, scorer.fold_sums(counts), strict=True):
        assert scorer.lwlrap(of_folds) == pytest.approx(reference(pool, method, row), abs=1e-9)


@methods
def test_a_score_is_the_lwlrap_of_the_blended_probabilities(method):
    pool = random_pool(clips=300)
    counts = (3, 0, 1, 2, 0)
    blended = weighted_mean(pool.probabilities, counts, method)
    scorer = Scorer(pool, method)
    assert scorer.lwlrap(scorer.fold_sums([counts])[0]) == pytest.approx(lwlrap(pool.truth, blended), abs=1e-9)
    of_clips = scorer.clip_sums([counts])[0] / PRECISION_ONE / np.maximum(pool.truth.sum(axis=1), 1)
    np.testing.assert_allclose(of_clips, np.nan_to_num(lwlrap_per_clip(pool.truth, blended)), atol=1e-9)


def test_only_undecided_pairs_are_added_up():
    pool = random_pool(skill=60.0)  # every candidate has every label on top
    assert undecided_pairs(pool, "geometric").difference.shape == (5, 0)
    scorer = Scorer(pool, "geometric")
    assert scorer.lwlrap(scorer.fold_sums([[1, 1, 0, 0, 0]])[0]) == 1
    assert set(scorer.subset_sums(plan(5, Limits())).sum(axis=0)) == {pool.truth.sum() * PRECISION_ONE}


def test_a_selection_scores_each_fold_by_what_was_chosen_without_it():
    pool = random_pool()
    chosen = [Blend("geometric", row) for row in [(1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (0, 0, 2, 1, 0)]]
    found = Scorer(pool, "geometric").selection(Blend("geometric", (1, 1, 1, 0, 0)), chosen)
    assert found.score == pytest.approx(reference(pool, "geometric", (1, 1, 1, 0, 0)), abs=1e-9)
    of_folds = [reference(pool, "geometric", blend.counts, pool.fold == k) for k, blend in enumerate(chosen)]
    np.testing.assert_allclose(found.fold_scores, of_folds, atol=1e-9)
    assert found.nested == pytest.approx(np.average(of_folds, weights=pool.labels_per_fold), abs=1e-9)


def test_a_fold_without_labels_has_no_score():
    pool = random_pool(folds=2, clips=30)
    truth = pool.truth & (pool.fold == 0)[:, None]
    truth[0, 0] = True
    emptied = type(pool)(pool.names, list(pool.probabilities), truth, pool.fold)
    blend = Blend("geometric", (1, 0, 0, 0, 0))
    found = Scorer(emptied, "geometric").selection(blend, [blend, blend])
    assert np.isnan(found.fold_scores[1])
    assert found.nested == found.score


@methods
def test_the_largest_sums_fit(method):
    truth = np.eye(3)
    worst = np.where(truth, 0, 1).astype(np.float32)  # the widest difference there is, 62 times
    pool = Pool([f"run {index}" for index in range(62)], [worst] * 62, truth, [0, 1, 1])
    subsets, scorer = plan(62, Limits(smallest=61)), Scorer(pool, method)
    # decided pairs are never added up: one candidate that knows the truth leaves them open
    doubtful = Pool(pool.names, [*([worst] * 61), truth], truth, [0, 1, 1])
    assert undecided_pairs(doubtful, method).difference.shape == (62, 6)
    for one, of_one in ((pool, scorer), (doubtful, Scorer(doubtful, method))):
        sums = of_one.subset_sums(subsets)
        np.testing.assert_array_equal(sums, plain_subset_sums(one, method, subsets))
        np.testing.assert_allclose([of_one.lwlrap(of_folds) for of_folds in sums.T], 1 / 3, atol=1e-12)
