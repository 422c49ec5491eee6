"""ASHA goes on where an earlier start of a sweep left it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import TrialScheduler

from tune.asha import Asha, Curve

GRACE, REDUCTION, MOST = 2, 3, 28  # rungs at 2, 6 and 18 epochs
Curves = dict[int, dict[int, float]]


def begun(curves: Curves | None = None) -> Asha:
    asha = Asha(curves or {}, GRACE, REDUCTION, MOST)
    assert asha.set_search_properties("lwlrap", "max")
    return asha


def ray_trial(number: int, start: str) -> Any:
    return SimpleNamespace(trial_id=f"{start}{number}", config={"number": number})


def report(asha: Asha, start: str, curves: dict[int, Curve], seen: Curves, until: int) -> set[int]:
    """Report curves epoch by epoch, all trials in turn, and return who is stopped; `seen` keeps what was told."""
    trials = {number: ray_trial(number, start) for number in curves}
    for trial in trials.values():
        asha.on_trial_add(None, trial)
    stopped: set[int] = set()
    for epoch in range(1, until + 1):
        for number, trial in trials.items():
            if number not in stopped and epoch in curves[number]:
                seen.setdefault(number, {})[epoch] = curves[number][epoch]
                told = {"epochs": epoch, "lwlrap": curves[number][epoch]}
                if asha.on_trial_result(None, trial, told) == TrialScheduler.STOP:
                    stopped.add(number)
                    asha.on_trial_complete(None, trial, told)
    return stopped


def rungs(asha: Asha) -> dict[int, dict[str, float]]:
    (bracket,) = asha._brackets
    return dict(bracket._rungs)


def curves_of(seed: int, trials: int = 9) -> dict[int, Curve]:
    """Return rising curves, as running bests are."""
    steps = np.random.default_rng(seed).random((trials, MOST - 1))
    return {
        number: dict(enumerate(curve.tolist(), 1)) for number, curve in enumerate(np.maximum.accumulate(steps, axis=1))
    }


@pytest.mark.parametrize("seed", range(5))
def test_rungs_hold_what_the_curves_have_at_their_epochs(seed: int) -> None:
    asha, seen = begun(), {}
    report(asha, "a", curves_of(seed), seen, MOST - 1)
    expected = {
        rung: {str(number): curve[rung] for number, curve in seen.items() if rung in curve} for rung in (2, 6, 18)
    }
    assert rungs(asha) == expected
    assert rungs(begun(seen)) == expected


@pytest.mark.parametrize("killed_at", [1, 2, 5, 7, 20])
def test_a_sweep_that_goes_on_stops_whom_it_would_have(killed_at: int) -> None:
    curves = curves_of(3)
    whole_seen: Curves = {}
    whole = begun()
    expected = report(whole, "a", curves, whole_seen, MOST - 1)
    assert 0 < len(expected) < 9

    seen: Curves = {}
    stopped = report(begun(), "a", curves, seen, killed_at)
    second = begun(seen)
    going_on = {number: curve for number, curve in curves.items() if number not in stopped}
    # a new worker reports its checkpoint's epochs again
    stopped |= report(second, "b", going_on, seen, MOST - 1)
    assert stopped == expected
    assert rungs(second) == rungs(whole)
