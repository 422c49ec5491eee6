"""The finished runs of the store that a sweep learns from."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import create_trial

from tagging import RECIPE_VERSION
from tagging.config import flatten, load
from tagging.config.load import leaf_text
from tagging.tracking.store import Store
from tune import warm_start
from tune.schema import Choice, Int, LogUniform, Space, SweepPlan, Uniform
from tune.space import distributions, experiment_of
from tune.warm_start import known_results

SPACE = Space(
    experiment="small",
    space={
        "optimizer.lr": LogUniform(low=1e-4, high=1e-2),
        "mixer.prob": Uniform(low=0, high=0.5),
        "scheduler": Choice(options=({"kind": "constant"}, {"kind": "cosine", "first": 5})),
    },
    set={"training.epochs": "7"},
    trials=3,
)
DATA = {"data.classes": "a", "data.clips": "b", "data.folds": "c"}
INSIDE = ("optimizer.lr=2e-3", "mixer.prob=0.25", "scheduler.kind=cosine", "scheduler.first=5", "training.epochs=7")


def plan(space: Space) -> SweepPlan:
    return SweepPlan("", "lr", space, None, "")


def add_run(store: Store, *overrides: str, kind: str = "experiment", end: str = "FINISHED", **tags: Any) -> str:
    params = {path: leaf_text(value) for path, value in flatten(load("small", list(overrides))).items()}
    run = store.start("set", kind, "one", {**DATA, "recipe": RECIPE_VERSION, **tags}, params)
    for fold, score in enumerate((0.5, 0.7)):
        child = store.start("set", "fold", f"fold {fold}", {"fold": fold}, {}, run)
        store.log_metrics(child.id, {"best_val_lwlrap": score})
        store.finish(child.id, "FINISHED")
    store.finish(run.id, end)
    return run.id


def known(store: Store, folds: tuple[int, ...] = (0, 1)) -> list[tuple[dict[str, Any], float]]:
    return known_results(store, plan(SPACE), DATA, "set", folds)


def test_a_run_in_the_space_is_known_by_its_values(store: Store) -> None:
    add_run(store, *INSIDE)
    add_run(store, *INSIDE, "seed=0", kind="trial")
    (values, score), (same, _) = known(store)
    assert values == same == {"optimizer.lr": 2e-3, "mixer.prob": 0.25, "scheduler": '{"kind": "cosine", "first": 5}'}
    assert score == pytest.approx(0.6)
    assert known(store, folds=(1,))[0][1] == pytest.approx(0.7)


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer.lr=0.5",),  # out of its range
        ("scheduler.first=6",),  # no option
        ("training.epochs=8",),  # not what the space sets
        ("seed=1",),  # not what the experiment has
    ],
)
def test_a_run_outside_the_space_is_not(store: Store, overrides: tuple[str, ...]) -> None:
    add_run(store, *INSIDE, *overrides)
    assert known(store) == []


def test_a_run_off_the_step_of_a_range_is_not(store: Store) -> None:
    stepped = SPACE.model_copy(update={"space": {"mixer.sigmoid_min": Int(low=2, high=10, step=4)}})
    for value in (2, 4, 6, 12):
        add_run(store, f"mixer.sigmoid_min={value}", "training.epochs=7")
    told = known_results(store, plan(stepped), DATA, "set", (0, 1))
    assert sorted(values["mixer.sigmoid_min"] for values, _ in told) == [2, 6]
    for values, score in told:
        create_trial(params=values, distributions=distributions(stepped), value=score)  # Optuna takes them


def test_a_run_that_had_a_teacher_where_the_space_has_none_is_not(store: Store) -> None:
    add_run(store, *INSIDE, "teacher.run=x teacher.noisy=0.5", **{"teacher.run": "x"})
    assert known(store) == []
    add_run(store, *INSIDE, "teacher.run=x")  # without a share it is no teacher
    assert len(known(store)) == 1


SECTIONS = (
    {"kind": "plateau"},  # the rest of it is the experiment's
    {"kind": "plateau", "patience": 3},
    {"kind": "cosine", "first": 5},
    {"kind": "constant"},
)


def test_each_choice_is_found_by_itself_be_it_of_values_or_sections(store: Store) -> None:
    choices = {
        "scheduler": Choice(options=SECTIONS),
        "early_stopping.patience": Choice(options=(5, 6, 7, None)),
        "mixer.prob": Choice(options=(0, 0.25, 0.5, 1)),  # 0 is 0.0 in a run
        "labels.noisy_selection": Choice(options=("", "a.json", "b.json")),
        "teacher": Choice(options=({"run": ""}, {"run": "x", "noisy": 0.5})),
    }
    space = SPACE.model_copy(update={"space": choices, "set": {}})
    for path, given in (
        ("scheduler", ("scheduler.kind=plateau scheduler.patience=3",)),
        ("early_stopping.patience", ("early_stopping.patience=null",)),
        ("mixer.prob", ("mixer.prob=0",)),
        ("labels.noisy_selection", ("labels.noisy_selection=b.json",)),
        ("teacher", ("teacher.run=x teacher.noisy=0.5",)),
    ):
        taught = {"teacher.run": "x"} if path == "teacher" else {}
        base = ("scheduler.kind=plateau", "mixer.prob=0.5", "early_stopping.patience=7")
        add_run(store, *base, *given, **taught)
    usual = {
        "scheduler": '{"kind": "plateau"}',
        "early_stopping.patience": 7,
        "mixer.prob": 0.5,
        "labels.noisy_selection": "",
        "teacher": '{"run": ""}',
    }
    told = [values for values, _ in known_results(store, plan(space), DATA, "set", (0, 1))]
    expected = [
        {**usual, "scheduler": '{"kind": "plateau", "patience": 3}'},
        {**usual, "early_stopping.patience": None},
        {**usual, "mixer.prob": 0},
        {**usual, "labels.noisy_selection": "b.json"},
        {**usual, "teacher": '{"run": "x", "noisy": 0.5}'},
    ]
    assert sorted(map(str, told)) == sorted(map(str, expected))


def test_a_run_on_other_corrections_is_not(store: Store) -> None:
    add_run(store, *INSIDE, "labels.corrections=a.json")
    assert known(store) == []


def test_the_choices_of_a_run_are_not_tried_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = ("mixer.prob", "mixer.sigmoid_share", "mixer.mixup_max", "model.dropout", "augment.wrap_prob")
    space = SPACE.model_copy(
        update={"space": {path: Choice(options=(0.1, 0.2, 0.3, 0.4)) for path in fields}, "set": {}}
    )
    for last in (0.1, 0.4):
        add_run(store, *(f"{path}={last}" for path in fields))
    loaded: list[object] = []

    def counted(*arguments: Any) -> object:
        loaded.append(arguments)
        return experiment_of(*arguments)

    monkeypatch.setattr(warm_start, "experiment_of", counted)
    told = known_results(store, plan(space), DATA, "set", (0, 1))
    assert sorted(values["model.dropout"] for values, _ in told) == [0.1, 0.4]
    assert len(loaded) == 5 * 4 + 2  # each option once, each run once; together they are 1024


def test_only_finished_runs_of_the_same_data_and_recipe_count(store: Store) -> None:
    add_run(store, *INSIDE, end="FAILED")
    add_run(store, *INSIDE, **{"data.folds": "others"})
    add_run(store, *INSIDE, recipe=RECIPE_VERSION - 1)
    assert known(store) == []
    add_run(store, *INSIDE)
    assert known(store, folds=(0, 4)) == []  # no such fold
