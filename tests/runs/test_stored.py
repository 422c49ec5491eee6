"""What a file of a run must hold: each reader says, with run and file, what is wrong with another one."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tagging.config.load import to_yaml
from tagging.contract import File
from tagging.errors import UserError
from tagging.runs.stored import read_folds, read_labels, read_members, read_predictions, stored_recipe
from tagging.tracking.store import Run
from tests.trainings import Inside, the_run

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def run(pool: Inside) -> Run:
    """A finished run, whose files the tests replace: other tests of this file do not look at them."""
    return the_run(pool.store)


def reason(read: Callable[[], object], title: str, advice: str) -> str:
    with pytest.raises(UserError) as caught:
        read()
    (problem,) = caught.value.problems
    assert problem.startswith(f"{title} cannot be used: ")
    assert problem.endswith(f"; {advice}")
    return problem.removeprefix(f"{title} cannot be used: ").removesuffix(f"; {advice}")


def with_value(value: float) -> Change:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.iloc[[2, 4], -1] = np.float32(value)
        return table

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda table: table.drop(columns="fname"), "it has no column fname"),
        (lambda table: table.drop(columns="fold"), "it has no column fold"),
        (lambda table: table[:0], "it has no rows"),
        (lambda table: table.assign(fname=range(len(table))), "its column fname is not all text"),
        (lambda table: table.assign(fold=-1), "its column fold is not all whole numbers of 0 or more"),
        (lambda table: table.assign(fold=0.5), "its column fold is not all whole numbers of 0 or more"),
        (lambda table: pd.concat([table, table[:1]]), "{first} stands in it twice"),
        (lambda table: table[["fname", "fold"]], "it holds no probabilities"),
        (lambda table: table.assign(Siren="much"), "it holds no probabilities"),
        (with_value(np.nan), "values of 2 rows are no probabilities, first those of {third}"),
        (with_value(np.inf), "values of 2 rows are no probabilities, first those of {third}"),
        (with_value(1.5), "values of 2 rows are no probabilities, first those of {third}"),
        (with_value(-1e-3), "values of 2 rows are no probabilities, first those of {third}"),
    ],
)
def test_predictions_are_a_row_a_clip_and_probabilities(pool: Inside, run: Run, change: Change, why: str) -> None:
    whole = read_predictions(pool.store, run, File.OOF)
    pool.store.log_table(run.id, change(whole.copy()), File.OOF)
    advice = f"`python -m tagging predict --run {run.id[:8]}` computes it again"
    found = reason(lambda: read_predictions(pool.store, run, File.OOF), f"{run.title}: {File.OOF}", advice)
    pool.store.log_table(run.id, whole, File.OOF)
    assert found == why.format(first=whole["fname"][0], third=whole["fname"][2])


def test_predictions_of_a_fold_come_anew_with_its_run(pool: Inside, run: Run) -> None:
    fold = pool.store.children(run.id)[0]
    tiles = read_predictions(pool.store, fold, File.OOF_TILES, tiles=True)
    pool.store.log_table(fold.id, tiles.drop(columns="tile"), File.OOF_TILES)
    advice = f"`python -m tagging predict --run {run.id[:8]}` computes it again"
    read = lambda: read_predictions(pool.store, fold, File.OOF_TILES, tiles=True)  # noqa: E731
    assert reason(read, f"{fold.title}: {File.OOF_TILES}", advice) == "it has no column tile"
    pool.store.log_table(fold.id, tiles, File.OOF_TILES)


def test_folds_are_numbered_and_labels_are_text(pool: Inside, run: Run) -> None:
    folds, clips = read_folds(pool.store, run), pool.store.read_table(run.id, File.PER_CLIP)
    pool.store.log_table(run.id, folds.assign(fold=2 * folds["fold"]), File.FOLDS)
    pool.store.log_table(run.id, clips.assign(labels=1), File.PER_CLIP)
    copy = "bring it back from a copy, or train the run again"
    assert reason(lambda: read_folds(pool.store, run), f"{run.title}: {File.FOLDS}", copy) == (
        "its folds are not numbered from 0 on"
    )
    anew = f"`python -m tagging predict --run {run.id[:8]}` computes it again"
    assert reason(lambda: read_labels(pool.store, run), f"{run.title}: {File.PER_CLIP}", anew) == (
        "its labels are not all text"
    )
    pool.store.log_table(run.id, folds, File.FOLDS)
    pool.store.log_table(run.id, clips, File.PER_CLIP)


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ([], "it lists no members"),
        ({"members": 5}, "it lists no members"),
        ({"members": []}, "it lists no members"),
        ({"members": ["tiny"]}, "a member has no run or name"),
        ({"members": [{"run": "0", "weight": 1}]}, "a member has no run or name"),
        ({"members": [{"run": "0", "name": "a"}]}, "weight of the member a is None, not a number above 0"),
        ({"members": [{"run": "0", "name": "a", "weight": -1}]}, "weight of the member a is -1, not a number above 0"),
    ],
)
def test_members_have_a_run_a_name_and_a_weight(pool: Inside, run: Run, stored: object, why: str) -> None:
    pool.store.log_text(run.id, json.dumps(stored), "ensemble.json")
    read = lambda: read_members(pool.store, run, "ensemble.json", ("weight",))  # noqa: E731
    copy = "bring it back from a copy, or train the run again"
    assert reason(read, f"{run.title}: ensemble.json", copy) == why


def test_a_config_that_is_cut_or_says_what_is_no_field_is_told(pool: Inside, run: Run) -> None:
    whole = pool.store.read_text(run.id, "config.yaml")
    assert to_yaml(stored_recipe(pool.store, run)) == whole
    path = pool.store.fetch(run.id, "config.yaml")
    title, copy = f"{run.title}: config.yaml", "bring it back from a copy, or train the run again"
    found = {}
    for name, text in {
        "cut": whole[: whole.index("optimizer:")],
        "empty": "",
        "wrong": f"sede: 1\n{whole}".replace("epochs: 3", "epochs: many"),
    }.items():
        path.write_text(text)
        found[name] = reason(lambda: stored_recipe(pool.store, run), title, copy)
    path.write_text(whole)
    lacking = [name for name in run.params if name.startswith(("optimizer.", "scheduler.", "training."))]
    assert found["cut"].startswith("it lacks ")
    assert found["cut"].endswith(f" fields that the run's params have, first {lacking[0]}")
    assert (
        found["empty"]
        == f"it lacks {len(run.params)} fields that the run's params have, first {next(iter(run.params))}"
    )
    assert found["wrong"].startswith(f"{path}:")
    assert found["wrong"].endswith(", and 1 more problem")
