"""Recipes of ensembles: what they resolve to, and every problem of all their files at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagging.config import experiment_names, load
from tagging.config.ensemble import load_ensemble, recipes
from tagging.errors import UserError

FIRST_LEVEL = (
    "auxiliary_016",
    "auxiliary_019",
    "corr_noisy_003",
    "corr_noisy_004",
    "corr_noisy_007",
    "corrections_002",
    "corrections_003",
)
SECOND_LEVEL = ("stacking_008_fcnet_43040", "stacking_008_fcnet_45041", "stacking_008_fcnet_50013")


def problems(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> list[str]:
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        load_ensemble("mine", overrides, folder=folder)
    return [problem.replace(f"{folder}/", "") for problem in error.value.problems]


def test_the_winning_ensemble_has_its_ten_members_in_the_order_of_the_stackers_inputs() -> None:
    resolved = load_ensemble("stacking_008")
    recipe = resolved.recipe
    assert (recipe.name, recipe.method, recipe.weights) == ("stacking_008", "geometric", ())
    assert (recipe.members, recipe.stackers) == (FIRST_LEVEL, SECOND_LEVEL)
    assert resolved.members["corr_noisy_007"] == load("corr_noisy_007")
    stacker = resolved.stacker(SECOND_LEVEL[0], ["a1", "b2"])
    assert stacker == load(SECOND_LEVEL[0], ["members=[a1, b2]"])


def test_the_winning_ensemble_as_committed_differs_in_the_member_with_the_bug() -> None:
    meant, committed = load_ensemble("stacking_008"), load_ensemble("stacking_008_as_committed")
    renamed = {"corr_noisy_004": "corr_noisy_004_as_committed"}
    assert committed.recipe.members == tuple(renamed.get(name, name) for name in meant.recipe.members)
    assert committed.recipe.stackers == meant.recipe.stackers
    assert committed.members["corr_noisy_004_as_committed"].sampling.noisy_pool == "trusted"


@pytest.mark.parametrize("name", experiment_names(recipes()))
def test_every_recipe_resolves(name: str) -> None:
    assert load_ensemble(name).members


def test_overrides_go_to_members_and_to_stackers_each_their_own(tmp_path: Path) -> None:
    text = "members: [corrections_002, corrections_003]\nstackers: [stacking_008_fcnet_43040]\nweights: [1, 2, 3]\n"
    (tmp_path / "mine.yaml").write_text(text)
    resolved = load_ensemble("mine", ["seed=5 training.epochs=4"], ["seed=6"], tmp_path / "sound", tmp_path)
    members = list(resolved.members.values())
    assert [(member.seed, member.training.epochs) for member in members] == [(5, 4), (5, 4)]
    assert [load("base", [], tmp_path / "sound").data] * 2 == [member.data for member in members]
    assert resolved.lineages["corrections_003"]["differs"].startswith("seed=5 training.epochs=4")
    stacker = resolved.stacker("stacking_008_fcnet_43040", ["a1"])
    assert (stacker.seed, stacker.data) == (6, members[0].data)
    assert stacker.training.epochs == load("stacking_008_fcnet_43040").training.epochs
    assert resolved.recipe.weights == (1, 2, 3)


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    text = "members:\n- corrections_02\n- corrections_003\nstackers: [corr_noisy_007]\n"
    unknown, field, *others = problems(tmp_path, text, ("mixer.prop=1",))
    there = ", ".join(experiment_names())
    hint = "did you mean corrections_002?"
    assert unknown == f"mine.yaml:1: members: no experiment is called 'corrections_02'; {hint} There are: {there}"
    assert field.startswith("--set mixer.prop: mixer.prop is not a field; did you mean prob? There are: ")
    assert others == ["mine.yaml:4: stackers: corr_noisy_007 is no stacker; name it under members"]


def test_a_stacker_among_the_members_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, "members: [corrections_002, stacking_008_fcnet_43040]\n") == [
        "mine.yaml:1: members: stacking_008_fcnet_43040 is a stacker; name it under stackers"
    ]


def test_an_ensemble_of_some_folds_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "members: [corrections_002]\n", ("training.folds=[0, 1]",)) == [
        "mine.yaml:1: members: corrections_002: training.folds is [0, 1]; an ensemble needs all folds"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: a\n", "mine.yaml: members is missing"),
        ("members: []\n", "mine.yaml:1: members has 0 entries; it must have 1 or more"),
        (
            "members: [base, smoke]\nweights: [1]\n",
            "mine.yaml:2: weights has 1 numbers for 2 members and stackers; give one each, or leave weights out",
        ),
        ("members: [base, base]\n", "mine.yaml:1: members: base is named twice; give it more weight instead"),
        ("members: [base]\nmethod: best\n", "mine.yaml:2: method is 'best'; it must be 'geometric' or 'arithmetic'"),
    ],
)
def test_what_is_wrong_in_the_recipe_itself(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_what_is_wrong_in_the_recipe_hides_nothing_else(tmp_path: Path) -> None:
    text = "method: median\nmembers: [base, base]\nweights: [1, 2, 3]\n"
    assert problems(tmp_path, text, ("training.folds=[1]",)) == [
        "mine.yaml:1: method is 'median'; it must be 'geometric' or 'arithmetic'",
        "mine.yaml:2: members: base is named twice; give it more weight instead",
        "mine.yaml:3: weights has 3 numbers for 2 members and stackers; give one each, or leave weights out",
        "mine.yaml:2: members: base: training.folds is [1]; an ensemble needs all folds",
    ]
    there = ", ".join(experiment_names())
    assert problems(tmp_path, "members: [bose]\nmembres: [base]\nstackers: base\nweights: [1, 1]\n") == [
        "mine.yaml:3: stackers is 'base'; it must be a list such as [corr_noisy_007, auxiliary_016]",
        "mine.yaml:2: membres is not a field; did you mean members? "
        "There are: name, notes, method, members, stackers, weights",
        f"mine.yaml:1: members: no experiment is called 'bose'; did you mean base? There are: {there}",
    ]


def test_an_unknown_recipe_brings_the_nearest() -> None:
    with pytest.raises(UserError) as error:
        load_ensemble("stacking_08")
    there = ", ".join(experiment_names(recipes()))
    assert error.value.problems == (
        f"no ensemble recipe is called 'stacking_08'; did you mean stacking_008? There are: {there}",
    )
