"""The next values of a sweep, without Ray running: seeds, grids, resumed trials, and the content of the study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from tune.records import TrialRecord
from tune.schema import Choice, Grid, Int, LogUniform, Random, Space, SweepPlan, Tpe
from tune.searcher import StudySearcher
from tune.study import new_study

SPACE = Space(
    experiment="base",
    space={
        "optimizer.lr": LogUniform(low=1e-4, high=1e-2),
        "mixer.sigmoid_min": Int(low=1, high=6),
        "scheduler": Choice(options=({"kind": "constant"}, {"kind": "cosine"})),
    },
    searcher=Random(),
    trials=3,
    seed=7,
)
PLAN = SweepPlan("0" * 32, "lr", SPACE, Path("sound"), "sqlite:///mlflow.db")


def plan(**changes: Any) -> SweepPlan:
    """Return the plan of a sweep over SPACE with other settings."""
    return replace(PLAN, space=SPACE.model_copy(update=changes))


def searcher(settings: Random | Grid | Tpe = SPACE.searcher, trials: int = 5, **more: Any) -> StudySearcher:
    changes = {"searcher": settings, **{name: more.pop(name) for name in ("objectives", "space") if name in more}}
    of = plan(**changes)
    return StudySearcher(of, new_study(of.space.objectives), trials, **more)


def record(number: int, state: str, lwlrap: float | None = 0.5, **values: Any) -> TrialRecord:
    chosen = {"optimizer.lr": 1e-3, "mixer.sigmoid_min": 2, "scheduler": '{"kind": "cosine"}'} | values
    return TrialRecord(number, f"run{number}", state, chosen, lwlrap, None, 8, 3.0, "")


def asked(search: StudySearcher, count: int) -> list[dict[str, Any]]:
    return [search.suggest(f"ray{place}") for place in range(count)]


@pytest.mark.parametrize("settings", [Random(), Tpe(startup=2)])
def test_values_follow_from_seed_and_number(settings: Random | Tpe) -> None:
    first, second = asked(searcher(settings), 3), asked(searcher(settings), 3)
    assert first == second
    assert [config["number"] for config in first] == [0, 1, 2]
    assert all(config["plan"] == plan(searcher=settings) for config in first)
    assert len({config["values"]["optimizer.lr"] for config in first}) == 3
    for config in first:
        assert 1e-4 <= config["values"]["optimizer.lr"] <= 1e-2
        assert config["values"]["mixer.sigmoid_min"] in range(1, 7)


def test_a_resumed_random_search_draws_the_same_values() -> None:
    whole = asked(searcher(), 4)
    earlier = [record(0, "FINISHED"), record(1, "FAILED", None)]
    assert asked(searcher(earlier=earlier), 2) == whole[2:]


def test_it_ends_after_so_many_trials() -> None:
    search = searcher(trials=2)
    assert asked(search, 3)[2] == Searcher.FINISHED
    more = searcher(trials=3, earlier=[record(0, "FINISHED"), record(1, "PRUNED")])
    assert [config == Searcher.FINISHED for config in asked(more, 2)] == [False, True]


def test_an_interrupted_trial_comes_first_under_its_number() -> None:
    broken = record(1, "KILLED", **{"optimizer.lr": 0.00234})
    search = searcher(trials=3, earlier=[record(0, "FINISHED"), broken])
    first, second, third = asked(search, 3)
    assert (first["number"], first["values"]) == (1, dict(broken.values))
    assert second["number"] == 2
    assert third == Searcher.FINISHED


def test_a_trial_that_was_interrupted_before_it_had_a_run_is_not_left_out() -> None:
    whole = asked(searcher(trials=3), 3)
    again = asked(searcher(trials=3, earlier=[record(1, "FINISHED")]), 3)
    assert again == [whole[0], whole[2], Searcher.FINISHED]


def test_a_grid_is_walked_in_order() -> None:
    space = {"seed": Int(low=1, high=2), "mixer.prob": Choice(options=(0, 0.5))}
    points = [{"seed": seed, "mixer.prob": prob} for seed in (1, 2) for prob in (0, 0.5)]
    assert [config["values"] for config in asked(searcher(Grid(), trials=4, space=space), 4)] == points


def test_the_study_knows_how_trials_end() -> None:
    search = searcher(trials=9)
    for trial in ("ray0", "ray1", "ray2", "ray3"):
        search.suggest(trial)
        search.on_trial_result(trial, {"lwlrap": 0.4, "epochs": 1})
    search.on_trial_complete("ray0", {"lwlrap": 0.6, "epochs": 8, "whole": True})
    search.on_trial_complete("ray1", {"lwlrap": 0.3, "epochs": 4})
    search.on_trial_complete("ray2", {"error": "the training loss is nan"})
    search.on_trial_complete("ray3", error=True)
    told = search._study.trials
    assert [trial.state for trial in told] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.FAIL,
    ]
    assert told[0].value == 0.6
    assert told[1].intermediate_values == {1: 0.4}


@pytest.mark.filterwarnings("error")
def test_a_repeated_report_of_a_new_worker_counts_once() -> None:
    search = searcher()
    search.suggest("ray0")
    for epoch, score in ((1, 0.3), (2, 0.4), (1, 0.3), (2, 0.4), (3, 0.5)):
        search.on_trial_result("ray0", {"lwlrap": score, "epochs": epoch})
    search.on_trial_complete("ray0", {"lwlrap": 0.5, "epochs": 3})
    assert search._study.trials[0].intermediate_values == {1: 0.3, 2: 0.4, 3: 0.5}


def test_the_study_begins_with_what_the_store_knows() -> None:
    values = dict(record(0, "").values)
    search = searcher(
        Tpe(),
        known=[(values, 0.7)],
        earlier=[record(0, "FINISHED", 0.6), record(1, "PRUNED", 0.2), record(2, "FAILED")],
    )
    told = search._study.trials
    assert [(trial.state, trial.params) for trial in told] == [
        (TrialState.COMPLETE, values),
        (TrialState.COMPLETE, values),
        (TrialState.PRUNED, values),
    ]
    assert [trial.value for trial in told[:2]] == [0.7, 0.6]
    assert told[2].intermediate_values == {8: 0.2}
    assert search.suggest("ray0")["number"] == 3


def test_the_study_has_several_objectives_in_their_order() -> None:
    search = searcher(objectives=("lwlrap", "parameters"))
    search.suggest("ray0")
    search.on_trial_result("ray0", {"lwlrap": 0.4, "epochs": 1})
    search.on_trial_complete("ray0", {"lwlrap": 0.6, "parameters": 1000, "seconds": 3.0, "epochs": 8, "whole": True})
    (best,) = search._study.best_trials
    assert best.values == [0.6, 1000]


@pytest.mark.parametrize(
    ("first", "state"),
    [
        ({"lwlrap": 0.5, "epochs": 2, "whole": True}, TrialState.COMPLETE),
        ({"lwlrap": 0.5, "epochs": 2}, TrialState.PRUNED),
        ({"error": "why"}, TrialState.FAIL),
        (None, TrialState.FAIL),
    ],
)
def test_a_second_end_of_a_trial_does_not_count(first: dict[str, Any] | None, state: TrialState) -> None:
    search = searcher()
    asked(search, 1)
    search.on_trial_complete("ray0", first)
    search.on_trial_result("ray0", {"lwlrap": 0.7, "epochs": 3})
    search.on_trial_complete("ray0", {"lwlrap": 0.7, "epochs": 3, "whole": True})
    search.on_trial_complete("ray0", error=True)
    search.on_trial_result("never asked", {"lwlrap": 0.7, "epochs": 3})
    search.on_trial_complete("never asked")
    assert [trial.state for trial in search._study.trials] == [state]
