"""Words for numbers."""

import pytest

from tagging.report.wording import duration, span


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
