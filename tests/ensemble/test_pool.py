"""A pool refuses what cannot be compared, names the candidate, and says all at once."""

import numpy as np
import pytest

from tagging.ensemble.pool import Pool
from tests.ensemble.pools import random_pool

TRUTH = np.eye(4)
GOOD = np.full((4, 4), 0.5)


def with_value(value, row=2):
    changed = GOOD.copy()
    changed[row, 1] = value
    return changed


def test_a_pool_keeps_its_order_and_numbers_its_folds():
    pool = Pool(["b", "a"], [GOOD, GOOD / 2], TRUTH, [7, 3, 3, 9])
    assert (len(pool), pool.clips, pool.names, pool.folds) == (2, 4, ("b", "a"), (3, 7, 9))
    np.testing.assert_array_equal(pool.fold, [1, 0, 0, 2])
    np.testing.assert_array_equal(pool.labels_per_fold, [2, 1, 1])
    assert pool.probabilities.dtype == np.float32
    np.testing.assert_array_equal(pool.probabilities[1], GOOD / 2)


def test_all_candidates_that_cannot_be_used_are_named():
    given = {"nan": with_value(np.nan), "high": with_value(1.5, 1), "low": with_value(-0.1), "short": GOOD[:3]}
    with pytest.raises(ValueError, match=r"^nan") as caught:
        Pool(list(given), list(given.values()), TRUTH, [0, 0, 1, 1])
    assert str(caught.value).splitlines() == [
        "nan: NaN; 1 of 4 clips are wrong, first in row 2",
        "high: values outside 0..1; 1 of 4 clips are wrong, first in row 1",
        "low: values outside 0..1; 1 of 4 clips are wrong, first in row 2",
        "short: probabilities are [3, 4], the truth is [4, 4]",
    ]


@pytest.mark.parametrize(
    ("names", "given", "truth", "folds", "message"),
    [
        ([], [], TRUTH, [0, 0, 1, 1], "a pool needs at least one candidate"),
        (["a"], [GOOD, GOOD], TRUTH, [0, 0, 1, 1], "1 names for 2 candidates"),
        (["a", "a"], [GOOD, GOOD], TRUTH, [0, 0, 1, 1], "names must differ, given more than once: a"),
        (["a"], [GOOD], TRUTH / 2, [0, 0, 1, 1], r"truth must be \[clips, classes\] of 0 and 1"),
        (["a"], [GOOD], TRUTH * 0, [0, 0, 1, 1], "truth holds no label"),
        (["a"], [GOOD], TRUTH, [0, 0, 1], r"folds must name one fold a clip: \(3,\) for 4 clips"),
        (["a"], [GOOD], TRUTH, [0, 0, 0, 0], "at least two folds are needed, 1 given"),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(names, given, truth, folds, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Pool(names, given, truth, folds)


def test_a_fold_without_labels_counts_none():
    pool = random_pool(folds=2, labels=0.0)
    assert pool.labels_per_fold.sum() == 1
    assert len(pool.labels_per_fold) == 2
