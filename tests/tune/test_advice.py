"""What is said of a sweep: how its space was searched, what lies at the end of its range, what to try next."""

from __future__ import annotations

from typing import Any

import pytest

from tagging import project
from tagging.config import load
from tagging.tracking.store import Run
from tests.tune.test_report import record
from tune.advice import Edge, Step, edge_words, edges, how_searched, log_scaled, range_words, search_command, what_next
from tune.records import TrialRecord
from tune.schema import Space
from tune.space import load_space, space_names

SWEEP = Run("ab12" * 8, "lr", "FINISHED", "1", "demo", {"kind": "sweep"}, {}, {}, 0, None)
KEPT = {"data": "my sound", "file": "lr.yaml", "given": {}}


def space(ranges: dict[str, Any] | None = None, **fields: Any) -> Space:
    ranges = ranges or {
        "optimizer.lr": {"kind": "loguniform", "low": 1e-4, "high": 1e-2},
        "mixer.prob": {"kind": "uniform", "low": 0, "high": 1},
        "training.epochs": {"kind": "int", "low": 10, "high": 40, "step": 10},
    }
    return Space.model_validate({"experiment": "base", "trials": 40, "space": ranges, **fields})


def trials(*values: tuple[float, float, int]) -> list[TrialRecord]:
    """Return finished trials with these values, the best first."""
    fields = ("optimizer.lr", "mixer.prob", "training.epochs")
    return [
        record(number, 0.9 - 0.01 * number, values=dict(zip(fields, some, strict=True)))
        for number, some in enumerate(values)
    ]


def found(*values: tuple[float, float, int]) -> list[Edge]:
    return edges(space(), trials(*values), load("base", []))


def test_a_range_is_said_in_words() -> None:
    ranges = space(
        {
            "optimizer.lr": {"kind": "loguniform", "low": 1e-4, "high": 3e-3},
            "training.epochs": {"kind": "int", "low": 10, "high": 40, "step": 10},
            "sampling.batch_size": {"kind": "int", "low": 8, "high": 64, "log": True},
            "scheduler": {"kind": "choice", "options": [{"kind": "plateau"}, {"kind": "cosine", "first": 6}]},
            "sampling.curated": {"kind": "rest", "of": ["sampling.noisy", "sampling.trusted"]},
        }
    )
    assert [range_words(bounds) for bounds in ranges.space.values()] == [
        "0.0001 to 0.003, logarithmic",
        "10 to 40, whole numbers, in steps of 10",
        "8 to 64, whole numbers, logarithmic",
        "one of plateau; cosine, first 6",
        "what sampling.noisy, sampling.trusted leave to 1",
    ]
    assert log_scaled(ranges) == ["optimizer.lr", "sampling.batch_size"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"searcher": {"kind": "tpe", "startup": 5}, "scheduler": {"kind": "asha", "grace": 3, "reduction": 2}},
            "each on all folds. Optuna's TPE chose the values: the first 5 at random, later ones by the scores of "
            "earlier ones. ASHA stopped trials from epoch 3 on: at each rung one in 2 continued.",
        ),
        (
            {"searcher": {"kind": "random"}, "scheduler": {"kind": "median"}, "folds": [0, 2], "set": {"seed": "1"}},
            "each on folds 0, 2. The values were drawn at random. From epoch 5 on, a trial stopped where it was worse "
            "than the median of the others. All trials have seed=1.",
        ),
        (
            {"searcher": {"kind": "random"}, "scheduler": {"kind": "pbt", "interval": 3}, "folds": [0]},
            "each on fold 0. The values were drawn at random. A population: every 3 epochs the worst trials took over "
            "weights and values of the best, and moved the values.",
        ),
        (
            {"objectives": ["lwlrap", "seconds"], "searcher": {"kind": "random"}},
            "each on all folds. The values were drawn at random. Searched for a front of lwlrap and seconds.",
        ),
    ],
)
def test_how_a_space_was_searched_is_said_in_words(fields: dict[str, Any], told: str) -> None:
    assert how_searched(space(**fields)) == f"Up to 40 trials of base, {told}"


def test_a_grid_is_said_with_its_combinations() -> None:
    ranges = {"training.epochs": {"kind": "int", "low": 1, "high": 3}}
    assert how_searched(space(ranges, searcher={"kind": "grid"})) == (
        "Up to 3 trials of base, each on all folds. Every combination of the values once."
    )


def test_a_best_value_at_an_end_is_told_with_a_wider_range_that_the_schema_allows() -> None:
    low, high, whole = found((1.1e-4, 0.99, 40), (1.2e-4, 0.5, 20))
    assert edge_words(low) == (
        "The best optimizer.lr, 0.00011, lies at the lower end of its range, 0.0001 to 0.01, logarithmic; so do 2 of "
        "the best 2."
    )
    assert (low.wider.low, low.wider.high) == (1e-5, 1e-2)  # half of two orders of magnitude further
    assert edge_words(high) == (
        "The best mixer.prob, 0.99, lies at the upper end of its range, 0 to 1. The experiment's schema allows nothing "
        "beyond."
    )
    assert high.wider is None  # a probability
    assert (whole.wider.low, whole.wider.high, whole.wider.step) == (10, 60, 10)
    assert found((1e-3, 0.5, 20), (1e-4, 0, 10)) == []
    assert found() == []


def test_a_range_is_widened_less_far_where_the_schema_ends_before() -> None:
    ranges = {"mixer.prob": {"kind": "uniform", "low": 0.2, "high": 0.8}}
    (edge,) = edges(space(ranges), [record(0, 0.5, values={"mixer.prob": 0.8})], load("base", []))
    assert (edge.wider.low, edge.wider.high) == (0.2, 0.95)


def test_the_command_that_began_a_sweep_is_made_from_what_its_run_keeps() -> None:
    own = project.root() / "tune" / "spaces" / "lr_mixup.yaml"
    given = {
        "experiment": "small",
        "seed": 3,
        "trials": 12,
        "folds": [0, 1],
        "resources": {"cpu": 2, "at_once": 1},
        "set": {"training.epochs": "9", "notes": "a b"},
    }
    assert search_command({"data": "my sound", "file": str(own), "given": given}, "wider") == (
        "python -m tune search lr_mixup --name=wider --experiment=small --seed=3 --trials=12 '--data=my sound' "
        "--folds=0,1 --cpu=2 --at-once=1 --set training.epochs=9 'notes=a b'"
    )
    elsewhere = {"data": "", "file": "/else/x.yaml", "given": {"folds": []}}
    assert search_command(elsewhere, "wider") == "python -m tune search /else/x.yaml --name=wider --folds=all"
    assert search_command({"data": ""}, "wider") == ""  # of an earlier version


def test_what_to_try_next_is_told_with_its_commands() -> None:
    some = [*trials((1.1e-4, 0.5, 20), (5e-4, 0.4, 20)), record(2, None, "KILLED")]
    assert what_next(SWEEP, space(), some, KEPT, edges(space(), some, load("base", [])), {}) == [
        Step("1 trial did not come to an end; the same sweep continues.", ["python -m tune search --resume ab12ab12"]),
        Step(
            "Widen optimizer.lr in the file of the space, and search again. The new sweep learns from the trials of "
            "this one.",
            [
                "optimizer.lr: {kind: loguniform, low: 1e-05, high: 0.01}",
                "python -m tune search lr.yaml --name=lr_wider '--data=my sound'",
            ],
        ),
        Step(
            "2 finished trials are few for 3 fields: add trials.",
            ["python -m tune search --resume ab12ab12 --trials 60"],
        ),
        Step(
            "The best of many scores is flattered by the choice, and the best 2 lie within 0.0100: train them with "
            "another seed, on all folds.",
            [
                "python -m tune promote ab12ab12 --trial 0 --name ab12ab12_0",
                "python -m tagging train ab12ab12_0 --data 'my sound' --set seed=1",
                "python -m tune promote ab12ab12 --trial 1 --name ab12ab12_1",
                "python -m tagging train ab12ab12_1 --data 'my sound' --set seed=1",
            ],
        ),
    ]


def test_a_best_trial_that_came_late_asks_for_more_and_an_idle_field_for_less() -> None:
    some = trials(*[(1e-3, 0.5, 20)] * 40)[::-1]
    late = [record(number, trial.lwlrap, values=dict(trial.values)) for number, trial in enumerate(some)]
    shares = {"optimizer.lr": 0.97, "mixer.prob": 0.01, "training.epochs": 0.02}
    more, _, idle = what_next(SWEEP, space(), late, {"data": ""}, [], shares)
    assert more.why == "The best trial came late, as number 40 of 40: add trials."
    assert idle == Step(
        "Less than 2% of the variance is due to each of mixer.prob: fix them, and search the others.",
        ["set: {mixer.prob: 0.5}"],
    )


def test_without_a_finished_trial_nothing_is_advised_but_to_continue() -> None:
    failed = [record(0, None, "FAILED", error="ValueError: no")]
    assert what_next(SWEEP, space(), failed, KEPT, [], {}) == []


@pytest.mark.parametrize("name", space_names())
def test_every_space_of_the_project_can_be_said(name: str) -> None:
    found = load_space(name)
    assert how_searched(found).startswith("Up to ")
    assert all(range_words(bounds) for bounds in found.space.values())
