"""Trials are compared at equal planned epochs, and a resumed sweep stops the same trials."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import TrialScheduler

from tune.schema import Asha, Median
from tune.stopping import AshaScheduler, Curve, MedianScheduler

LAST, GRACE, REDUCTION = 27, 2, 3  # rungs at 2, 6 and 18 epochs
Curves = dict[int, dict[int, float]]


def begun(curves: Curves | None = None) -> AshaScheduler:
    asha = AshaScheduler(curves or {}, LAST, Asha(grace=GRACE, reduction=REDUCTION))
    assert asha.set_search_properties("lwlrap", "max")
    return asha


def median(curves: Curves | None = None) -> MedianScheduler:
    rule = MedianScheduler(curves or {}, LAST, Median(grace=GRACE))
    assert rule.set_search_properties("lwlrap", "max")
    return rule


def ray_trial(number: int, start: str) -> Any:
    return SimpleNamespace(trial_id=f"{start}{number}", config={"number": number})


def report(
    scheduler: AshaScheduler | MedianScheduler, start: str, curves: dict[int, Curve], seen: Curves, until: int
) -> set[int]:
    """Report curves epoch by epoch, all trials in turn, and return who is stopped; `seen` keeps what was told."""
    trials = {number: ray_trial(number, start) for number in curves}
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)
    stopped: set[int] = set()
    for epoch in range(1, until + 1):
        for number, trial in trials.items():
            if number not in stopped and epoch in curves[number]:
                seen.setdefault(number, {})[epoch] = curves[number][epoch]
                told = {"planned": epoch, "lwlrap": curves[number][epoch]}
                if scheduler.on_trial_result(None, trial, told) == TrialScheduler.STOP:
                    stopped.add(number)
                    scheduler.on_trial_complete(None, trial, told)
    return stopped


def rungs(asha: AshaScheduler) -> dict[int, dict[str, float]]:
    (bracket,) = asha._brackets
    return dict(bracket._rungs)


def curves_of(seed: int, trials: int = 9) -> dict[int, Curve]:
    """Return rising curves, as running bests are."""
    steps = np.random.default_rng(seed).random((trials, LAST))
    return {
        number: dict(enumerate(curve.tolist(), 1)) for number, curve in enumerate(np.maximum.accumulate(steps, axis=1))
    }


@pytest.mark.parametrize("seed", range(5))
def test_rungs_hold_what_the_curves_have_at_their_epochs(seed: int) -> None:
    asha, seen = begun(), {}
    report(asha, "a", curves_of(seed), seen, LAST)
    expected = {
        rung: {str(number): curve[rung] for number, curve in seen.items() if rung in curve} for rung in (2, 6, 18)
    }
    assert rungs(asha) == expected
    assert rungs(begun(seen)) == expected


@pytest.mark.parametrize("killed_at", [1, 2, 5, 7, 20])
@pytest.mark.parametrize("begin", [begun, median])
def test_a_resumed_sweep_stops_the_same_trials(
    begin: Callable[[Curves | None], AshaScheduler | MedianScheduler], killed_at: int
) -> None:
    curves = curves_of(3)
    whole_seen: Curves = {}
    whole = begin(None)
    expected = report(whole, "a", curves, whole_seen, LAST)
    assert 0 < len(expected) < 9

    seen: Curves = {}
    stopped = report(begin(None), "a", curves, seen, killed_at)
    second = begin(seen)
    going_on = {number: curve for number, curve in curves.items() if number not in stopped}
    # a new worker reports its checkpoint's epochs again
    stopped |= report(second, "b", going_on, seen, LAST)
    assert stopped == expected
    assert seen == whole_seen
    if isinstance(whole, AshaScheduler) and isinstance(second, AshaScheduler):
        assert rungs(second) == rungs(whole)


EARLY: Curve = {1: 0.6, 2: 0.7, 3: 0.8, 4: 0.8, 10: 0.45, 11: 0.5}  # the first fold of nine epochs ended after four


@pytest.mark.parametrize("begin", [begun, median])
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_fold_that_ended_early_is_compared_by_what_it_had(
    begin: Callable[[Curves | None], AshaScheduler | MedianScheduler], goes_on: bool
) -> None:
    """The mean over folds about halves when one begins; the others are in their first fold then."""
    others = {number: {epoch: 0.5 + epoch / 100 for epoch in range(1, 10)} for number in range(5)}
    scheduler = begin({5: {epoch: EARLY[epoch] for epoch in range(1, 5)}} if goes_on else None)
    trial = ray_trial(5, "b")
    scheduler.on_trial_add(None, trial)
    if not goes_on:
        for epoch in range(1, 5):
            assert scheduler.on_trial_result(None, trial, {"planned": epoch, "lwlrap": EARLY[epoch]}) == "CONTINUE"
    report(scheduler, "a", dict(others), {}, 9)
    for epoch in (10, 11):
        assert scheduler.on_trial_result(None, trial, {"planned": epoch, "lwlrap": EARLY[epoch]}) == "CONTINUE"
    if isinstance(scheduler, AshaScheduler):
        assert rungs(scheduler)[6]["5"] == EARLY[4]


@pytest.mark.parametrize("begin", [begun, median])
def test_a_trial_that_failed_is_no_measure(begin: Callable[[Curves | None], AshaScheduler | MedianScheduler]) -> None:
    scheduler = begin(None)
    curves = curves_of(1, trials=5)
    failed = ray_trial(9, "a")
    scheduler.on_trial_add(None, failed)
    scheduler.on_trial_result(None, failed, {"planned": 1, "lwlrap": 0.1})
    scheduler.on_trial_complete(None, failed, {"error": "the training loss is nan", "done": True})
    assert report(scheduler, "a", curves, {}, LAST) == report(begin(None), "a", curves, {}, LAST)


def test_the_median_rule_stops_what_lies_below_the_others_means_and_pauses_none() -> None:
    rule = median()
    level = {number: dict.fromkeys(range(1, 9), number / 10) for number in range(1, 6)}
    # each trial after the ones before it: the third lies below what the better ones had
    assert report(rule, "a", {5: level[5]}, {}, 8) == set()
    assert report(rule, "a", {4: level[4], 3: level[3]}, {}, 8) == set()  # fewer than three to compare with
    assert report(rule, "a", {2: level[2]}, {}, 8) == {2}


@pytest.mark.parametrize(("last", "expected"), [(7, {5, 6, 7, 8}), (6, set())])
def test_a_trial_that_has_trained_to_its_end_is_not_stopped(last: int, expected: set[int]) -> None:
    asha = AshaScheduler({}, last, Asha(grace=6, reduction=REDUCTION))
    asha.set_search_properties("lwlrap", "max")
    curves = {number: dict.fromkeys(range(1, last + 1), number / 10) for number in range(9, 4, -1)}
    assert report(asha, "a", curves, {}, last) == expected
