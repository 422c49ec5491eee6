"""Words for numbers."""

import pytest

from tagging.report.wording import beside, duration, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 minutes"),
        (5500, "92 minutes"),
        (7200, "2 hours"),
        (172800, "2 days"),
        (3e8, "3,472 days"),
    ],
)
def test_lengths_of_time_are_said_as_people_do(seconds, text):
    assert span(seconds) == text
    assert duration(seconds) == f"about {text}"


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.012, "0.0120 above"), (-0.012, "0.0120 below"), (0.00004, "level with"), (-0.00004, "level with")],
)
def test_no_score_lies_by_nothing_above_another(difference, text):
    assert beside(difference) == text
