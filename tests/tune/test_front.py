"""The front of several objectives, against a look at every pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from tagging.tracking.store import Run, Store
from tune.front import front
from tune.records import TrialRecord, records
from tune.report import describe_sweep, summarise_sweep

BOTH = ("lwlrap", "parameters")


def trial(
    number: int, lwlrap: float | None, parameters: int, seconds: float = 1, state: str = "FINISHED"
) -> TrialRecord:
    return TrialRecord(number, f"{number:032x}", state, {"x": number}, lwlrap, None, 3, seconds, "", parameters)


def test_equals_a_look_at_every_pair() -> None:
    draw = np.random.default_rng(0)
    trials = [
        trial(number, round(draw.random(), 1), int(draw.integers(1, 9)), float(draw.integers(1, 9)))
        for number in range(60)
    ]
    for objectives in (BOTH, ("lwlrap", "seconds"), ("lwlrap", "parameters", "seconds")):
        points = np.array(
            [[-getattr(one, name) if name == "lwlrap" else getattr(one, name) for name in objectives] for one in trials]
        )
        beaten = [any((other <= own).all() and (other < own).any() for other in points) for own in points]
        expected = {one.number for one, worse in zip(trials, beaten, strict=True) if not worse}
        assert {one.number for one in front(trials, objectives)} == expected


def test_only_finished_trials_count_and_the_best_comes_first() -> None:
    trials = [
        trial(0, 0.5, 10),
        trial(1, 0.9, 30),
        trial(2, 0.99, 1, state="PRUNED"),
        trial(3, None, 1),
        trial(4, 0.4, 20),
    ]
    assert [one.number for one in front(trials, BOTH)] == [1, 0]
    assert front([], BOTH) == []


def test_a_sweep_shows_its_front(store: Store, sweep: Run, add_trial: Callable[..., Run]) -> None:
    for number, (score, size) in enumerate([(0.5, 1000.0), (0.7, 3000.0), (0.6, 4000.0)]):
        add_trial(number, {"optimizer.lr": 1e-3}, score, parameters=size)
    trials = records(store, sweep)
    summarise_sweep(store, sweep, trials, (), BOTH)
    picture = imread(Path(store.fetch(sweep.id, "figures/front_parameters.png")))
    assert picture.std() > 0.01
    link = f"#/experiments/{sweep.experiment_id}/runs/"
    assert describe_sweep(sweep, trials, BOTH).split("\n\n")[3:5] == [
        "**The front**: none is better in lwlrap and parameters",
        f"|  | lwlrap | parameters |\n| --- | --- | --- |\n| [trial 1]({link}{trials[1].run_id}) | 0.7 | 3000 |\n"
        f"| [trial 0]({link}{trials[0].run_id}) | 0.5 | 1000 |",
    ]
    assert "front" not in describe_sweep(sweep, trials)
