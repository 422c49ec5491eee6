"""The best subsets and their nested estimates against a loop over all subsets, and what noise does to both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagging.ensemble import enumeration
from tagging.ensemble.enumeration import Enumeration, enumerate_subsets
from tagging.ensemble.pairs import PRECISION_ONE
from tagging.ensemble.pool import METHODS, Pool
from tagging.ensemble.scoring import Scorer
from tagging.ensemble.subsets import Limits
from tests.ensemble.pools import all_subsets, pools, random_pool, reference


def by_mask(counts):
    return sum(1 << position for position, number in enumerate(counts) if number)


def slow_choice(rows, totals):
    """The highest total; of equal ones the smallest, then the lowest mask."""
    return min(rows, key=lambda row: (-totals[row], sum(row), by_mask(row)))


def slow_selection(scorer, rows):
    """Choose on all folds, then choose without each fold and score on it: blends, score, nested."""
    sums = {row: scorer.fold_sums([row])[0] for row in rows}
    best = slow_choice(rows, {row: sums[row].sum() for row in rows})
    held_out, chosen = 0, []
    for fold in range(len(scorer.pool.folds)):
        chosen.append(slow_choice(rows, {row: sums[row].sum() - sums[row][fold] for row in rows}))
        held_out += sums[chosen[-1]][fold]
    labels = scorer.labels.sum() * PRECISION_ONE
    return best, chosen, sums[best].sum() / labels, held_out / labels


def assert_is(found, expected):
    best, chosen, score, nested = expected
    assert found.blend.counts == best
    assert [blend.counts for blend in found.fold_blends] == chosen
    assert (found.score, found.nested) == pytest.approx((score, nested), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=10, deadline=None)
@given(pool=pools, data=st.data())
def test_best_and_nested_are_those_of_a_plain_loop(method, pool, data):
    must = tuple(data.draw(st.sets(st.integers(0, len(pool) - 1), max_size=2)))
    largest = data.draw(st.integers(max(1, len(must)), len(pool)))
    limits = Limits(data.draw(st.integers(1, largest)), largest, must)
    found = enumerate_subsets(pool, method, limits)
    rows, scorer = all_subsets(len(pool), limits), Scorer(pool, method)
    assert found.subsets == len(rows)
    assert_is(found.any_size, slow_selection(scorer, rows))
    assert found.by_size.keys() == {sum(row) for row in rows}
    for size, of_size in found.by_size.items():
        assert_is(of_size, slow_selection(scorer, [row for row in rows if sum(row) == size]))


def test_kept_are_the_best_of_each_size_in_order():
    pool, limits = random_pool(candidates=7, levels=3), Limits()
    found = enumerate_subsets(pool, "arithmetic", limits, keep=4)
    scores = {row: reference(pool, "arithmetic", row) for row in all_subsets(7, limits)}
    kept = [tuple(row) for row in found.kept.astype(int).tolist()]
    assert (np.diff([scores[row] for row in kept]) <= 1e-9).all()
    for size in range(1, 8):
        of_size = sorted((score for row, score in scores.items() if sum(row) == size), reverse=True)[:4]
        np.testing.assert_allclose([scores[row] for row in kept if sum(row) == size], of_size, atol=1e-9)


def same(first: Enumeration, second: Enumeration):
    np.testing.assert_array_equal(first.kept, second.kept)
    return (first.by_size, first.any_size, first.subsets) == (second.by_size, second.any_size, second.subsets)


def test_cuts_and_threads_change_nothing(monkeypatch):
    pool = random_pool(candidates=10, levels=3)
    once = enumerate_subsets(pool, "geometric", Limits())
    assert same(once, enumerate_subsets(pool, "geometric", Limits(), threads=2))
    monkeypatch.setattr(enumeration, "_AT_ONCE", 100)
    assert same(once, enumerate_subsets(pool, "geometric", Limits()))


def test_progress_tells_the_best_so_far(monkeypatch):
    monkeypatch.setattr(enumeration, "_AT_ONCE", 64)
    pool, seen = random_pool(candidates=9), []
    found = enumerate_subsets(pool, "geometric", Limits(), progress=lambda *now: seen.append(now))
    assert [now[0] for now in seen] == sorted({now[0] for now in seen})
    assert seen[-1] == (511, 511, found.any_size.score, found.any_size.blend)
    assert (np.diff([now[2] for now in seen]) >= 0).all()
    assert len(seen) > 4


def test_too_many_subsets_are_refused():
    pool = random_pool(candidates=30)
    with pytest.raises(ValueError, match=r"^1,073,741,823 subsets of 30 candidates are too many to enumerate: at most"):
        enumerate_subsets(pool, "geometric", Limits())


def test_more_candidates_than_a_mask_holds_are_refused():
    with pytest.raises(ValueError, match=r"^63 subsets of 63 candidates are too many to enumerate"):
        enumerate_subsets(random_pool(candidates=63), "geometric", Limits(largest=1))


def noise_pool(seed):
    """Ten candidates that know nothing of one label a clip among eight."""
    rng = np.random.default_rng(seed)
    truth = np.eye(8)[rng.integers(0, 8, 300)]
    given = list(rng.random((10, 300, 8), dtype=np.float32))
    return Pool([f"noise {index}" for index in range(10)], given, truth, rng.integers(0, 5, 300))


def test_out_of_noise_the_best_looks_good_and_the_nested_estimate_stays_at_chance():
    chance = (1 / np.arange(1, 9)).mean()  # the rank of the label is uniform
    found = [enumerate_subsets(noise_pool(seed), "geometric", Limits()).any_size for seed in range(12)]
    best, nested = (np.array([getattr(one, name) for one in found]) for name in ("score", "nested"))
    error = nested.std(ddof=1) / np.sqrt(len(found))
    assert abs(nested.mean() - chance) < 3 * error
    assert best.mean() - chance > 5 * error
    assert (best > nested).all()


def test_the_best_of_any_size_is_the_best_of_its_size():
    found = enumerate_subsets(random_pool(candidates=6, skill=0.5), "geometric", Limits())
    assert max(found.by_size.values(), key=lambda one: one.score) == found.any_size
