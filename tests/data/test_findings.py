"""What messages say of lists of names."""

import pytest

from tagging.data.findings import apart


@pytest.mark.parametrize(
    ("theirs", "ours", "text"),
    [
        ("ABC", "CAB", ""),
        ("ABX", "AB", "only there X"),
        ("A", "CAB", "only here C, B"),
        ("VWXYZA", "ABCD", "only there V, W, X and 2 more; only here B, C, D"),
    ],
)
def test_names_on_one_side_alone_are_said(theirs, ours, text):
    assert apart(list(theirs), list(ours)) == text


def test_the_sides_may_have_other_words():
    assert apart(["A"], ["B"], "it has", "it lacks") == "it has A; it lacks B"
