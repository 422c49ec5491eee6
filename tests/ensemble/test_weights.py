"""Greedy selection and coordinate search against plain loops over scikit-learn's scores."""

import numpy as np
import pytest

from tagging.ensemble.blend import Blend
from tagging.ensemble.enumeration import enumerate_subsets
from tagging.ensemble.pool import METHODS
from tagging.ensemble.scoring import Scorer
from tagging.ensemble.subsets import Limits
from tagging.ensemble.weights import greedy, search_weights
from tests.ensemble.pools import random_pool, reference

methods = pytest.mark.parametrize("method", METHODS)


def slow_greedy(score, candidates, largest):
    """Caruana's selection on one score function of a list of members."""
    alone = sorted(range(candidates), key=lambda member: (-score([member]), member))
    chosen = max((alone[:size] for size in range(1, min(candidates, largest) + 1)), key=lambda members: score(members))
    best = chosen
    while len(chosen) < largest:
        chosen = max(([*chosen, member] for member in range(candidates)), key=lambda members: score(members))
        if score(chosen) > score(best):
            best = chosen
    return tuple(best.count(member) for member in range(candidates))


def score_on(pool, method, clips):
    """Scores rounded far above float64's noise, so that ties are ties."""

    def score(members):
        return round(reference(pool, method, np.bincount(members, minlength=len(pool)), clips), 12)

    return score


@methods
@pytest.mark.parametrize("seed", range(2))
def test_greedy_is_a_plain_loop_on_all_folds_and_without_each(method, seed):
    pool = random_pool(seed, candidates=4, levels=6, skill=1.0, clips=25)
    found = greedy(pool, method, bags=0, largest=9)
    everything = np.ones(pool.clips, dtype=bool)
    assert found.blend.counts == slow_greedy(score_on(pool, method, everything), 4, 9)
    for fold, blend in enumerate(found.fold_blends):
        assert blend.counts == slow_greedy(score_on(pool, method, pool.fold != fold), 4, 9)
    held_out = [reference(pool, method, blend.counts, pool.fold == k) for k, blend in enumerate(found.fold_blends)]
    assert found.nested == pytest.approx(np.average(held_out, weights=pool.labels_per_fold), abs=1e-9)


def test_bags_add_up_selections_from_halves():
    pool = random_pool(candidates=7)
    found = greedy(pool, "geometric", bags=6, largest=8, seed=3)
    assert greedy(pool, "geometric", bags=6, largest=8, seed=3) == found
    assert greedy(pool, "geometric", bags=6, largest=8, seed=4) != found
    assert 6 <= sum(found.blend.counts) <= 6 * 8
    one = greedy(pool, "geometric", bags=1, largest=8, seed=3)
    assert len(one.blend.members) <= 4  # half of seven, rounded up
    assert all(of_all >= of_one for of_all, of_one in zip(found.blend.counts, one.blend.counts, strict=True))


def test_greedy_finds_the_helpful_among_many():
    pool = random_pool(candidates=8, skill=3.0, clips=200)
    spoiled = pool.probabilities.copy()
    spoiled[4:] = np.random.default_rng(0).random(spoiled[4:].shape)
    mixed = type(pool)(pool.names, list(spoiled), pool.truth, pool.fold)
    found = greedy(mixed, "geometric", bags=0)
    assert set(found.blend.members) <= {0, 1, 2, 3}
    assert found.score >= max(reference(mixed, "geometric", row) for row in np.eye(8, dtype=int))


def test_one_candidate_is_chosen():
    assert greedy(random_pool(candidates=1), "geometric", bags=2, largest=3).blend.members == (0,)


def neighbours(counts, shares):
    """Every blend one move away."""
    for share in shares:
        for giver in range(len(counts)):
            for taker in range(len(counts)):
                if giver != taker and counts[giver] >= share:
                    moved = np.array(counts)
                    moved[giver] -= share
                    moved[taker] += share
                    yield moved


@methods
def test_weights_end_where_no_move_helps(method):
    pool = random_pool(candidates=4, skill=1.0)
    start = enumerate_subsets(pool, method, Limits()).any_size
    found = search_weights(pool, start, grid=12)
    assert found.score > start.score
    counts = found.blend.counts
    assert sum(counts) == round(12 / sum(start.blend.counts)) * sum(start.blend.counts)
    best = max(reference(pool, method, moved) for moved in neighbours(counts, (1, 5)))
    assert best <= reference(pool, method, counts) + 1e-12
    for fold, blend in enumerate(found.fold_blends):
        clips = pool.fold != fold
        held = reference(pool, method, blend.counts, clips)
        assert held >= reference(pool, method, start.fold_blends[fold].counts, clips) - 1e-12
        assert max(reference(pool, method, moved, clips) for moved in neighbours(blend.counts, (1, 5))) <= held + 1e-12


def test_a_start_with_many_counts_moves_in_larger_shares():
    pool = random_pool(candidates=4, skill=1.0)
    start = Scorer(pool, "geometric").selection(
        *[Blend("geometric", (50, 30, 20, 0)), [Blend("geometric", (9, 9, 9, 9))] * 3]
    )
    found = search_weights(pool, start, grid=10)
    assert sum(found.blend.counts) == 100
    assert all(number % 10 == 0 for number in found.blend.counts)
    assert found.score >= start.score


def test_one_candidate_has_all_the_weight():
    pool = random_pool(candidates=1)
    start = enumerate_subsets(pool, "geometric", Limits()).any_size
    assert search_weights(pool, start).blend.weights == (1.0,)


def test_a_start_from_another_pool_is_refused():
    start = enumerate_subsets(random_pool(candidates=3), "geometric", Limits()).any_size
    with pytest.raises(ValueError, match=r"^a blend of 3 candidates for a pool of 5$"):
        search_weights(random_pool(), start)
