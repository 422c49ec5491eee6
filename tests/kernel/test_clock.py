from __future__ import annotations

import pytest

from tagging.kernel.clock import Clock, OutOfTime, Pace, Watch


class Ticks:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_twentieth_of_the_limit_is_kept_for_the_end() -> None:
    ticks = Ticks()
    clock = Clock(90.0, limit=100.0, now=ticks)
    assert clock.elapsed == 10
    assert clock.left == 85
    assert Clock(90.0, now=ticks).left == float("inf")


def test_costs_follow_what_is_measured_here() -> None:
    pace = Pace({"a": 2.0, "b": 6.0, "c": 1.0})
    jobs = [("a", 0), ("a", 1), ("b", 0)]
    assert pace.of_all(jobs) == 10  # as where it was packed
    pace.measured["a"] = 3.0
    assert pace.expected("a") == 3
    assert pace.expected("b") == 9  # this machine is slower by a half
    pace.measured["b"] = 5.0
    assert pace.expected("b") == 5
    assert pace.expected("c") == 1  # 8 s where 8 were expected


def watched(must: bool, limit: float, seconds_a_batch: float, capsys: pytest.CaptureFixture[str]) -> tuple[Pace, str]:
    """Watch a job of 6 batches of 10 tiles, of which the first takes 5 s more, with one more job to come."""
    ticks = Ticks()
    pace = Pace({"a": 20.0})
    watch = Watch(("a", 0), [("a", 1)], pace, Clock(100.0, limit, ticks), must)
    ticks.seconds += 5
    for batch in range(1, 7):
        ticks.seconds += seconds_a_batch
        watch(10 * batch, 60)
    return pace, capsys.readouterr().out


def test_a_job_is_measured_and_says_how_long_all_will_take(capsys: pytest.CaptureFixture[str]) -> None:
    pace, out = watched(False, 1000, 6.0, capsys)
    assert pace.measured == {"a": 41.0}
    # after the second batch 17 s are gone: 4 batches of 6 s are left, and a job as long as this one
    assert out.splitlines() == [
        "a, fold 0: 20 of 60 tiles; about 65 s to go",
        "a, fold 0: 40 of 60 tiles; about 53 s to go",
    ]


def test_a_job_that_would_end_too_late_is_stopped_by_its_second_batch(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OutOfTime):
        watched(False, 40, 6.0, capsys)
    # 38 s are to be had and 41 needed, but the slow beginning is not counted again: 29 + 4 batches of 3 s would do
    assert watched(False, 40, 3.0, capsys)[0].measured == {"a": 23.0}


def test_a_job_that_must_be_done_is_not_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    assert watched(True, 1, 6.0, capsys)[0].measured == {"a": 41.0}
