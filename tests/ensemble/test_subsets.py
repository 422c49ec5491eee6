"""A plan goes through every allowed subset once, whatever the limits, and can be cut anywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagging.ensemble.subsets import Limits, count_subsets, members_of, plan
from tests.ensemble.pools import all_subsets


@st.composite
def limited(draw):
    candidates = draw(st.integers(1, 11))
    must = tuple(draw(st.sets(st.integers(0, candidates - 1), max_size=3)))
    largest = draw(st.integers(max(1, len(must)), candidates))
    return candidates, Limits(draw(st.integers(1, largest)), draw(st.sampled_from([largest, candidates])), must)


@settings(max_examples=100, deadline=None)
@given(limited(), st.integers(1, 50))
def test_every_allowed_subset_comes_once(drawn, at_once):
    candidates, limits = drawn
    whole = plan(candidates, limits)
    rows = members_of(whole.masks(), candidates).astype(int)
    assert sorted(map(tuple, rows.tolist())) == sorted(all_subsets(candidates, limits))
    assert len(rows) == count_subsets(candidates, limits)
    np.testing.assert_array_equal(np.concatenate([part.masks() for part in whole.chunks(at_once)]), whole.masks())
    assert (np.diff(whole.high) > 0).all()
    np.testing.assert_array_equal(whole.low[1:], whole.low[whole.previous[1:]] | 1 << whole.added[1:])


def test_few_members_of_many_candidates_are_planned_without_the_rest():
    assert count_subsets(62, Limits(largest=3)) == len(plan(62, Limits(largest=3)).masks()) == 62 + 1891 + 37820
    assert count_subsets(62, Limits(smallest=61)) == len(plan(62, Limits(smallest=61)).masks()) == 63
    assert count_subsets(200, Limits()) == 2**200 - 1


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(must=(5,)), r"must names different candidates out of 0 to 4: \[5\]"),
        (Limits(must=(1, 1)), r"must names different candidates out of 0 to 4: \[1, 1\]"),
        (Limits(smallest=9, largest=9), "no subset of 5 candidates has 9 to 9 members, 0 of them given"),
        (Limits(smallest=6), "no subset of 5 candidates has 6 to 5 members, 0 of them given"),
        (Limits(largest=1, must=(0, 2)), "no subset of 5 candidates has 1 to 1 members, 2 of them given"),
        (Limits(largest=0), "no subset of 5 candidates has 1 to 0 members, 0 of them given"),
    ],
)
def test_limits_that_leave_nothing_are_refused(limits, message):
    for use in (count_subsets, plan):
        with pytest.raises(ValueError, match=f"^{message}$"):
            use(5, limits)
