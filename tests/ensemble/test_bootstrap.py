"""The bootstrap against a loop that draws clips and scores them with scikit-learn."""

import numpy as np
import pytest

from tagging.ensemble.blend import Blend
from tagging.ensemble.bootstrap import Bootstrap, _times_drawn
from tagging.ensemble.enumeration import enumerate_subsets
from tagging.ensemble.pool import METHODS, Pool
from tagging.ensemble.subsets import Limits
from tests.ensemble.pools import random_pool, reference


def drawn_pool(pool, times):
    """The pool of a bootstrap sample: clips repeated as often as they were drawn."""
    clips = np.repeat(np.arange(pool.clips), times.astype(int))
    return Pool(pool.names, list(pool.probabilities[:, clips]), pool.truth[clips], np.arange(len(clips)) % 2)


@pytest.mark.parametrize("method", METHODS)
def test_intervals_and_choices_are_those_of_resampled_pools(method):
    pool = random_pool(candidates=3, skill=1.0)
    boot = Bootstrap(pool, samples=8, seed=5)
    samples = [drawn_pool(pool, times) for times in _times_drawn(pool.clips, 8, 5)]
    blend, single = Blend(method, (1, 2, 0)), Blend(method, (0, 0, 1))
    scores = np.array([reference(sample, method, blend.counts) for sample in samples])
    others = np.array([reference(sample, method, single.counts) for sample in samples])
    (interval,) = boot.intervals([blend])
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(scores, (0.025, 0.975))), abs=1e-9)
    difference = boot.difference(blend, single)
    expected = np.quantile(scores - others, (0.025, 0.975))
    assert (difference.low, difference.high) == pytest.approx(tuple(expected), abs=1e-9)
    kept = enumerate_subsets(pool, method, Limits()).kept
    winners = []
    for sample in samples:
        winners.append(kept[np.argmax([reference(sample, method, row.astype(int)) for row in kept])])
    np.testing.assert_allclose(boot.chosen(method, kept), np.mean(winners, axis=0))


def test_each_sample_draws_as_many_clips_as_there_are():
    times = _times_drawn(50, 400, seed=1)
    assert (times.sum(axis=1) == 50).all()
    assert abs((times == 0).mean() - np.exp(-1)) < 0.01
    np.testing.assert_array_equal(times, _times_drawn(50, 400, seed=1))
    assert (times != _times_drawn(50, 400, seed=2)).any()


def test_many_subsets_are_looked_at_in_parts(monkeypatch):
    pool = random_pool(candidates=7, skill=1.0)
    kept = enumerate_subsets(pool, "geometric", Limits()).kept
    once = Bootstrap(pool, samples=50).chosen("geometric", kept)
    monkeypatch.setattr("tagging.ensemble.bootstrap._SUBSETS_AT_ONCE", 10)
    np.testing.assert_array_equal(Bootstrap(pool, samples=50).chosen("geometric", kept), once)


def test_a_sample_without_labels_is_left_out():
    truth = np.zeros((6, 2))
    truth[0, 0] = 1
    pool = Pool(["a"], [np.full((6, 2), [0.9, 0.1])], truth, [0, 0, 0, 1, 1, 1])
    (interval,) = Bootstrap(pool, samples=40).intervals([Blend("geometric", (1,))])
    assert (interval.low, interval.high) == (1, 1)
