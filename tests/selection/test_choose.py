"""Choosing a blend from arrays: which ways are on offer, which is taken, and when there are too many subsets."""

from __future__ import annotations

import numpy as np
import pytest

from tagging.ensemble.blend import weighted_mean
from tagging.ensemble.enumeration import MOST_SUBSETS
from tagging.ensemble.pool import Pool
from tagging.ensemble.subsets import Limits, count_subsets
from tagging.errors import UserError
from tagging.metrics import lwlrap
from tagging.selection.choose import best_by_size, choose
from tagging.selection.settings import SelectionSettings


def random_pool(candidates: int) -> Pool:
    random = np.random.default_rng(0)
    truth = np.eye(4, dtype=int)[random.integers(4, size=24)]
    scores = [np.clip(0.3 * truth + random.random(truth.shape), 0.01, 1.3) / 1.3 for _ in range(candidates)]
    return Pool([f"c{number}" for number in range(candidates)], scores, truth, np.arange(24) % 3)


def test_by_the_cv_the_best_of_all_sizes_and_means_is_taken() -> None:
    pool = random_pool(5)
    choice = choose(pool, SelectionSettings())
    assert list(choice.selections) == ["geometric", "arithmetic"]
    assert choice.subsets == 31 + 26  # a run alone is the same by both means
    assert choice.chosen.score == max(one.score for one in best_by_size(choice.enumerations).values())
    blend = choice.chosen.blend
    mean = weighted_mean(list(pool.probabilities[list(blend.members)]), blend.weights, blend.method)
    assert lwlrap(pool.truth, mean) == pytest.approx(choice.chosen.score, abs=1e-9)


def test_by_the_nested_estimate_a_size_is_taken_and_its_best_subset() -> None:
    choice = choose(random_pool(5), SelectionSettings(by="nested"))
    assert choice.name in best_by_size(choice.enumerations)
    assert choice.chosen.nested == max(one.nested for one in best_by_size(choice.enumerations).values())


def test_a_run_alone_is_looked_at_once() -> None:
    pool = random_pool(3)
    sizes = [f"{method}, size {size}" for method, size in (("geometric", 1), ("geometric", 2), ("geometric", 3))]
    both, other = (
        choose(pool, settings) for settings in (SelectionSettings(), SelectionSettings(methods=("arithmetic",)))
    )
    assert list(best_by_size(both.enumerations)) == [*sizes, "arithmetic, size 2", "arithmetic, size 3"]
    assert list(best_by_size(other.enumerations)) == [f"arithmetic, size {size}" for size in (1, 2, 3)]
    alone = choose(pool, SelectionSettings(limits=Limits(1, 1)))
    assert (list(best_by_size(alone.enumerations)), alone.subsets) == (["geometric, size 1"], 3)


def test_sizes_and_members_limit_what_is_looked_at() -> None:
    choice = choose(random_pool(5), SelectionSettings(methods=("arithmetic",), limits=Limits(2, 3, (4,))))
    assert choice.subsets == 4 + 6
    assert list(best_by_size(choice.enumerations)) == ["arithmetic, size 2", "arithmetic, size 3"]
    assert all(4 in one.blend.members for one in best_by_size(choice.enumerations).values())


@pytest.mark.parametrize(("search", "way"), [("greedy", "geometric, greedy"), ("weights", "geometric, weights")])
def test_a_search_for_weights_is_a_way_of_its_own(search: str, way: str) -> None:
    choice = choose(random_pool(5), SelectionSettings(methods=("geometric",), search=search))  # type: ignore[arg-type]  # parametrised
    assert list(choice.selections) == [choice.name] == [way]
    assert sum(choice.chosen.blend.weights) == pytest.approx(1)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(4, 6), "--size 4..6: of 3 candidates there is no subset of that size; give 1 to 3, as --size 1..3"),
        (Limits(9, 9), "--size 9: of 3 candidates there is no subset of that size; give 1 to 3, as --size 1..3"),
        (
            Limits(1, 1, (0, 2)),
            "--size 1: of 3 candidates there is no subset of that size that holds the 2 of --must; "
            "give 2 to 3, as --size 2..3",
        ),
    ],
)
def test_limits_that_leave_nothing_are_told(limits: Limits, problem: str) -> None:
    with pytest.raises(UserError) as error:
        choose(random_pool(3), SelectionSettings(limits=limits))
    assert error.value.problems == (f"{problem}, or leave it out",)


def test_too_many_subsets_are_refused_with_what_to_do() -> None:
    with pytest.raises(UserError) as error:
        choose(random_pool(30), SelectionSettings())
    how_many, advice = error.value.problems
    assert how_many == "30 candidates have 1,073,741,823 subsets; at most 67,108,864 are enumerated"
    assert advice == "give --size 1..10, leave some out with --where or --runs, or take --search greedy"
    assert count_subsets(30, Limits(1, 10)) <= MOST_SUBSETS < count_subsets(30, Limits(1, 11))


def test_more_candidates_than_subsets_are_made_of_are_left_to_the_greedy_search() -> None:
    with pytest.raises(UserError) as error:
        choose(random_pool(70), SelectionSettings(limits=Limits(1, 2)))
    assert error.value.problems == (
        "70 candidates are more than the 62 that can be enumerated; "
        "leave some out with --where or --runs, or take --search greedy",
    )
