"""Confident learning, held against cleanlab."""

from __future__ import annotations

import numpy as np
import pytest
from cleanlab import multilabel_classification
from cleanlab.count import compute_confident_joint, estimate_joint
from numpy.typing import NDArray

from tagging.review.suspects import (
    belief,
    confident_joint,
    disagreement,
    expected_errors,
    label_quality,
    likely_labels,
    most_similar,
)

CLIPS, CLASSES = 300, 6
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def noisy() -> tuple[Floats, Floats, Floats]:
    """Return true labels, given labels of which some are flipped, and probabilities that follow the true ones."""
    rng = np.random.default_rng(3)
    true = (rng.random((CLIPS, CLASSES)) < 0.3).astype(np.float32)
    flipped = rng.random(true.shape) < 0.05
    given = np.where(flipped, 1 - true, true)
    logits = rng.normal(np.where(true > 0, 1.5, -1.5), 1.2)
    return true, given, (1 / (1 + np.exp(-logits))).astype(np.float32)


def as_lists(truth: Floats) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in truth]


def test_the_quality_of_labels_is_that_of_cleanlab(noisy: tuple[Floats, Floats, Floats]) -> None:
    _, given, probabilities = noisy
    theirs = multilabel_classification.get_label_quality_scores(as_lists(given), probabilities)
    np.testing.assert_allclose(label_quality(given, probabilities), theirs, atol=1e-6)


def test_the_confident_joint_is_that_of_cleanlab(noisy: tuple[Floats, Floats, Floats]) -> None:
    _, given, probabilities = noisy
    for index in range(CLASSES):
        labels = given[:, index].astype(int)
        both = np.stack([1 - probabilities[:, index], probabilities[:, index]], axis=1)
        theirs = compute_confident_joint(labels, both, calibrate=False)
        np.testing.assert_array_equal(confident_joint(given, probabilities)[index], theirs)
        joint = estimate_joint(labels, both) * CLIPS
        np.testing.assert_allclose(
            expected_errors(given, probabilities)[index], [joint[0, 1], joint[1, 0]], atol=1
        )  # they round


def test_flipped_labels_come_first_and_are_counted(noisy: tuple[Floats, Floats, Floats]) -> None:
    true, given, probabilities = noisy
    wrong = (true != given).any(axis=1)
    first = np.argsort(label_quality(given, probabilities))[: wrong.sum()]
    assert wrong[first].mean() > 2 * wrong.mean()
    assert 0.5 < expected_errors(given, probabilities).sum() / (true != given).sum() < 2


def test_a_class_without_clips_or_with_all_of_them_counts_no_error() -> None:
    truth = np.array([[0, 1], [0, 1], [0, 1]], np.float32)
    probabilities = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.2]], np.float32)
    assert np.isfinite(label_quality(truth, probabilities)).all()
    assert expected_errors(truth, probabilities).tolist() == [[0, 0], [0, 0]]


def test_likely_labels_are_changed_where_cleanlab_counts_off_the_diagonal(noisy: tuple[Floats, Floats, Floats]) -> None:
    _, given, probabilities = noisy
    lists = as_lists(given)
    _, wrong = compute_confident_joint(
        lists, probabilities, multi_label=True, calibrate=False, return_indices_of_off_diagonals=True
    )
    expected = given > 0
    for index, rows in enumerate(wrong):
        expected[rows, index] ^= True
    found = likely_labels(given, probabilities)
    some = expected.any(axis=1)
    assert not some.all()
    np.testing.assert_array_equal(found[some], expected[some])
    np.testing.assert_array_equal(found[~some].argmax(axis=1), probabilities[~some].argmax(axis=1))
    assert (found[~some].sum(axis=1) == 1).all()


def test_runs_that_name_one_class_agree_and_others_are_ordered_by_divergence() -> None:
    one = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    other = np.array([[0.8, 0.2], [0.1, 0.9], [0.4, 0.6]])
    bits = disagreement(np.stack([one, other]))
    assert bits[0] == 0
    # H(0.5) - H(0.9) a class, twice
    assert bits[1] == pytest.approx(2 * (1 - 0.46899559358928117))
    assert 0 < bits[2] < bits[1]


def test_a_noisy_clip_is_believed_where_its_labels_and_no_others_are_certain() -> None:
    given = np.array([[1, 0], [1, 0], [1, 1], [1, 0]])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.1], [0.8, 0.7], [0.9, 0.8]])
    assert belief(given, probabilities, np.array([0.6, 0.6])).tolist() == [0.9, 0, 0.7, 0]


def test_similar_clips_have_the_largest_cosines() -> None:
    rows, cosines = most_similar(np.array([1.0, 0.0]), np.array([[0, 1.0], [2.0, 0], [1.0, 1.0], [0, 0]]), 3)
    assert rows.tolist() == [1, 2, 0]
    assert cosines.tolist() == [pytest.approx(1), pytest.approx(0.5**0.5), 0]
