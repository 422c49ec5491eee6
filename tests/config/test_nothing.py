"""Nothing (null, ~, none) has one meaning in every field, and quotation marks end with the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagging.config import Experiment, Stacker, flatten, load
from tagging.config.ensemble import EnsembleRecipe, load_ensemble
from tagging.config.load import numbers_digest
from tagging.config.tree import read_overrides
from tagging.errors import UserError
from tune.space import load_space

NOTHING = ("null", "~", "Null", "NULL", "none", "None", "")


@pytest.mark.parametrize("word", NOTHING)
def test_nothing_is_the_empty_text_or_list_of_a_field(word: str) -> None:
    empty = load("base")
    paths = [path for path, value in flatten(empty).items() if value in ("", ())]
    assert len(paths) > 5
    assert load("base", [f"{path}={word}" for path in ("name", *paths)]) == empty
    assert load("base", [f"early_stopping.patience={word}"]).early_stopping.patience is None
    assert numbers_digest(load("base", [f"folds.group={word} data.name={word}"])) == numbers_digest(empty)


def test_nothing_in_a_file_is_the_same_and_takes_a_bases_value_away(tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text("base: ~\nlabels: {corrections: x.json}\nfolds: {group: author}\n")
    text = "base: below\nname: null\nnotes: ~\ndata: {name: null}\nlabels: {corrections:}\nfolds: {group: null}\n"
    (tmp_path / "x.yaml").write_text(text + "training: {folds: null}\n")
    experiment = load("x", folder=tmp_path)
    assert (experiment.name, experiment.notes, experiment.data.name) == ("x", "", "")
    assert (experiment.labels.corrections, experiment.folds.group, experiment.training.folds) == ("", "", ())


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("data.folder=null", "data.folder must not be empty"),
        ("folds.kind=column folds.column=~", "folds.column must not be empty"),
        ("model.kind=timm model.name=none", "model.name must not be empty"),
        ("optimizer.lr=null", "optimizer.lr is 'null'; it must be a valid number"),
        ("seed=~", "seed is '~'; it must be a valid integer"),
        ("training.compile=null", "training.compile is 'null'; it must be a valid boolean"),
        ("training.precision=null", "training.precision is 'null'; it must be 'float32', 'bf16' or 'fp16'"),
    ],
)
def test_a_field_that_cannot_be_empty_says_so(override: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        load("base", [override])
    assert [text.partition(": ")[2] for text in error.value.problems] == [problem]


def test_recipes_of_ensembles_and_spaces_know_nothing_alike(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: null\nnotes: ~\nmembers: [base]\nstackers: null\nweights: ~\n")
    recipe = load_ensemble("mine", folder=tmp_path).recipe
    assert recipe == EnsembleRecipe(name="mine", members=("base",))
    (tmp_path / "space.yaml").write_text(
        "name: ~\nexperiment: base\ntrials: 3\nfolds: null\n"
        "set: {early_stopping.patience: null}\nspace: {optimizer.lr: {kind: uniform, low: 1, high: 2}}\n"
    )
    space = load_space(tmp_path / "space.yaml")
    assert (space.name, space.folds, space.set) == ("space", (), {"early_stopping.patience": "null"})
    (tmp_path / "space.yaml").write_text("experiment: null\ntrials: 3\nspace: {seed: {kind: int, low: 1, high: 2}}\n")
    with pytest.raises(UserError, match=r"space\.yaml:1: experiment must not be empty"):
        load_space(tmp_path / "space.yaml")
    assert Stacker(members=None).members == ()
    assert Experiment(name=None).name == ""


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('data.name="my set"', {"data": {"name": "my set"}}),
        ("data.name='my set' seed=1", {"data": {"name": "my set"}, "seed": "1"}),
        ('notes="lr=1e-3 is too much" seed=1', {"notes": "lr=1e-3 is too much", "seed": "1"}),
        ('notes=the "best" seed=1', {"notes": 'the "best"', "seed": "1"}),
        ('notes="" seed=1', {"notes": "", "seed": "1"}),
        ("notes=two  words\n seed=1 ", {"notes": "two  words", "seed": "1"}),
    ],
)
def test_quotation_marks_around_a_value_are_none_of_it(text: str, tree: dict[str, object]) -> None:
    assert read_overrides([text])[0] == tree


def test_quotation_marks_that_end_nowhere_or_too_early_are_refused() -> None:
    with pytest.raises(UserError) as error:
        read_overrides(['data.name="my set seed=1', "notes='", "notes='a' and 'b' seed=1"])
    said = 'quotation marks go around the whole value, as name="my set"'
    assert error.value.problems == (
        f'--set data.name="my set: {said}',
        f"--set notes=': {said}",
        f"--set notes='a' and 'b': {said}",
    )
