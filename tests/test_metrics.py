"""lwlrap against scikit-learn, and the properties that hold whatever the scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score

from tagging import metrics


def random_set(seed, clips=50, classes=12, levels=None, labels=0.15):
    rng = np.random.default_rng(seed)
    truth = (rng.random((clips, classes)) < labels).astype(np.float32)
    truth[0, 0] = 1
    scores = rng.random((clips, classes))
    return truth, scores if levels is None else np.floor(scores * levels) / levels


def sklearn_lwlrap(truth, scores):
    labelled = truth.sum(axis=1) > 0  # scikit-learn scores a clip without labels as 1, with weight 0
    return label_ranking_average_precision_score(
        truth[labelled], scores[labelled], sample_weight=truth[labelled].sum(axis=1)
    )


@pytest.mark.parametrize("levels", [None, 3, 1], ids=["distinct", "ties", "all equal"])
@pytest.mark.parametrize("seed", range(5))
def test_lwlrap_is_scikit_learns(seed, levels):
    truth, scores = random_set(seed, levels=levels)
    assert metrics.lwlrap(truth, scores) == pytest.approx(sklearn_lwlrap(truth, scores), abs=1e-12)


def test_ties_count_against_the_prediction():
    assert metrics.lwlrap([[1, 0, 0, 0]], [[0.5, 0.5, 0.5, 0.1]]) == pytest.approx(1 / 3)


def test_a_case_by_hand():
    truth = [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    scores = [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.9, 0.5, 0.1]]
    assert metrics.lwlrap(truth, scores) == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    per_class, weight = metrics.lwlrap_per_class(truth, scores)
    np.testing.assert_allclose(per_class, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(weight, [1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(metrics.lwlrap_per_clip(truth, scores), [(1 + 2 / 3) / 2, 1 / 2, np.nan])


def test_a_class_without_clips_is_nan_with_weight_0():
    per_class, weight = metrics.lwlrap_per_class([[1, 0]], [[0.2, 0.1]])
    np.testing.assert_array_equal(per_class, [1, np.nan])
    np.testing.assert_array_equal(weight, [1, 0])


sets = st.builds(
    random_set,
    seed=st.integers(0, 2**32 - 1),
    clips=st.integers(1, 20),
    classes=st.integers(1, 9),
    levels=st.sampled_from([None, 2, 5]),
    labels=st.floats(0, 1),
)


@settings(max_examples=60, deadline=None)
@given(sets)
def test_only_the_order_of_scores_matters(drawn):
    truth, scores = drawn
    assert metrics.lwlrap(truth, np.exp(3 * scores) - 7) == metrics.lwlrap(truth, scores)


@settings(max_examples=60, deadline=None)
@given(sets)
def test_scores_that_separate_the_labels_are_worth_1(drawn):
    truth, scores = drawn
    assert metrics.lwlrap(truth, scores + 2 * truth) == 1


@settings(max_examples=60, deadline=None)
@given(sets)
def test_classes_and_clips_average_to_the_whole(drawn):
    truth, scores = drawn
    whole = metrics.lwlrap(truth, scores)
    per_class, weight = metrics.lwlrap_per_class(truth, scores)
    assert np.nansum(per_class * weight) == pytest.approx(whole, abs=1e-12)
    per_clip, labels = metrics.lwlrap_per_clip(truth, scores), truth.sum(axis=1)
    assert np.nansum(per_clip * labels) / labels.sum() == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("metric", [metrics.lwlrap, metrics.lwlrap_per_clip, metrics.accuracy])
def test_scores_that_are_not_finite_are_refused(metric, bad):
    with pytest.raises(ValueError, match=r"2 clips are not finite, first in row 1"):
        metric([[1, 0]] * 3, [[0.1, 0.2], [bad, 0.1], [bad, bad]])


@pytest.mark.parametrize(
    ("truth", "scores", "message"),
    [
        ([[1, 0]], [[0.1, 0.2, 0.3]], "alike"),
        ([1, 0], [0.1, 0.2], "alike"),
        ([[0.5, 0]], [[0.1, 0.2]], "0 and 1"),
        ([[0, 0]], [[0.1, 0.2]], "at least one clip"),
    ],
)
def test_what_cannot_be_ranked_is_refused(truth, scores, message):
    with pytest.raises(ValueError, match=message):
        metrics.lwlrap(truth, scores)


@pytest.mark.parametrize("levels", [None, 3], ids=["distinct", "ties"])
def test_bootstrap_samples_are_the_lwlrap_of_the_clips_drawn(levels):
    truth, scores = random_set(7, clips=30, classes=6, levels=levels)
    truth[:, 5] = 0
    overall, by_class = metrics.bootstrap_lwlrap(truth, scores, 20, np.random.default_rng(3))
    again = np.random.default_rng(3)
    for value, classes in zip(overall, by_class, strict=True):
        rows = again.integers(30, size=30)
        assert value == pytest.approx(sklearn_lwlrap(truth[rows], scores[rows]), abs=1e-12)
        np.testing.assert_allclose(classes, metrics.lwlrap_per_class(truth[rows], scores[rows])[0], atol=1e-12)


def test_the_bootstrap_spreads_as_the_mean_of_independent_clips_does():
    truth, scores = random_set(11, clips=400, labels=0)
    truth[np.arange(400), np.arange(400) % 12] = 1
    overall, _ = metrics.bootstrap_lwlrap(truth, scores, 2000, np.random.default_rng(0))
    # with one label a clip, lwlrap is a mean over clips
    expected = metrics.lwlrap_per_clip(truth, scores).std() / np.sqrt(400)
    assert overall.std() == pytest.approx(expected, rel=0.06)
    low, high = metrics.interval(overall)
    assert high - low == pytest.approx(2 * 1.96 * expected, rel=0.1)


def test_an_interval_leaves_out_what_is_not_known():
    samples = np.array([[0.1, np.nan, np.nan], [0.3, np.nan, 0.2], [0.2, np.nan, 0.4]])
    np.testing.assert_allclose(metrics.interval(samples, level=1), [[0.1, np.nan, 0.2], [0.3, np.nan, 0.4]])


def test_accuracy_counts_clips_whose_label_stands_alone_on_top():
    truth = np.eye(4)
    scores = [[0.9, 0.1, 0, 0], [0.9, 0.1, 0, 0], [0, 0, 0.9, 0], [0, 0, 0.5, 0.5]]
    assert metrics.accuracy(truth, scores) == 0.5


def test_accuracy_is_of_single_labels_only():
    assert metrics.is_single_label([[1, 0], [0, 1]])
    for truth in ([[1, 1]], [[0, 0]]):
        assert not metrics.is_single_label(truth)
        with pytest.raises(ValueError, match="exactly one label"):
            metrics.accuracy(truth, [[0.1, 0.2]])


def test_confusions_name_the_best_wrong_class_of_each_outranked_label():
    truth = [[1, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1]]
    scores = [
        [0.1, 0.7, 0.2, 0.9],  # 0 is outranked by 1; 3 is not outranked
        [0.1, 0.8, 0.9, 0.0],  # 0 by 2, the best of two
        [0.5, 0.5, 0.1, 0.1],  # 1 by 0: a tie
        [0.1, 0.2, 0.9, 0.3],  # right
        [0.1, 0.2, 0.3, 0.4],  # nothing is wrong where everything is true
    ]
    assert metrics.confused_pairs(truth, scores, top=9) == [(0, 1, 1), (0, 2, 1), (1, 0, 1)]
    repeated = metrics.confused_pairs([*truth, truth[2]], [*scores, scores[2]], top=2)
    assert repeated == [(1, 0, 2), (0, 1, 1)]
