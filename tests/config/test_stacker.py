"""The schema of stackers, and how a file says that it is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagging import project
from tagging.config import Experiment, Stacker, experiment_names, flatten, load
from tagging.config.load import as_experiment, load_stored, override, to_yaml
from tagging.config.tree import read_yaml
from tagging.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text("seed: 1\n")
    (tmp_path / "stacker.yaml").write_text("kind: stacker\nmembers: [a, b]\n")
    return tmp_path


def problems(folder: Path, text: str, *overrides: str) -> list[str]:
    (folder / "x.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        load("x", overrides, folder=folder)
    return [problem.replace(str(folder), "") for problem in error.value.problems]


def test_stacker_yaml_repeats_the_schemas_defaults_in_full() -> None:
    base = load("stacker")
    assert base.model_copy(update={"name": ""}) == Stacker()
    _, lines = read_yaml(project.experiments() / "stacker.yaml")
    assert set(flatten(Stacker())) - set(lines) == {"name", "notes"}


def test_a_kind_at_the_top_makes_a_stacker_and_is_handed_down(folder: Path) -> None:
    (folder / "x.yaml").write_text("base: stacker\nmodel: {kind: logistic, c: 2}\n")
    stacker = load("x", ["seed=3"], folder=folder)
    assert isinstance(stacker, Stacker)
    assert (stacker.kind, stacker.name, stacker.members, stacker.seed) == ("stacker", "x", ("a", "b"), 3)
    assert stacker.model.model_dump() == {"kind": "logistic", "c": 2.0}
    assert isinstance(load("base", folder=folder), Experiment)


def test_no_field_of_an_experiment_was_added_or_moved() -> None:
    assert "kind" not in flatten(Experiment())
    assert [name for name in experiment_names() if isinstance(load(name), Stacker)] == [
        "stacker",
        "stacking_008_fcnet_43040",
        "stacking_008_fcnet_45041",
        "stacking_008_fcnet_50013",
    ]


def test_all_problems_come_at_once_with_line_path_and_nearest_name(folder: Path) -> None:
    text = (
        "base: stacker\nmodel:\n  reductoin: 4\naugment:\n  crop_prob: 2\nlabels: {noisy_selection: x}\n"
        "training: {precision: bf16}\nmember: [a]\n"
    )
    assert problems(folder, text, "model.kind=fcnett") == [
        "/x.yaml:6: labels.noisy_selection is not a field; There are: corrections",
        "/x.yaml:5: augment.crop_prob is '2'; it must be less than or equal to 1",
        "--set model.kind: model.kind is 'fcnett'; did you mean fcnet? allowed: 'fcnet', 'logistic', 'boosting'",
        "/x.yaml:7: training.precision is not a field; There are: epochs, folds",
        "/x.yaml:8: member is not a field; did you mean members? There are: " + ", ".join(Stacker.model_fields),
    ]


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (
            "kind: staker\n",
            (),
            "/x.yaml:1: kind is 'staker'; did you mean stacker? allowed: 'stacker', and none for an experiment",
        ),
        ("kind: experiment\n", (), "/x.yaml:1: kind is 'experiment'; allowed: 'stacker', and none for an experiment"),
        ("base: base\nkind: stacker\n", (), "/x.yaml:1: base: 'base' is no stacker, as this file is"),
        ("base: base\n", ("kind=stacker",), "--set kind: only the file itself gives its kind; name another file"),
        (
            "base: stacker\nmembers: tiny\n",
            (),
            "/x.yaml:2: members is 'tiny'; it must be a list such as [corr_noisy_007, auxiliary_016]",
        ),
        (
            "base: stacker\n",
            ("training.folds=1",),
            "--set training.folds: training.folds is '1'; it must be a list such as [0, 2]",
        ),
        ("base: stacker\nmembers: [a, b, a]\n", (), "/x.yaml: members names a twice"),
        (
            "base: stacker\nscheduler: {kind: cosine, min_lr: 1e-3}\n",
            (),
            "/x.yaml: scheduler.min_lr 0.001 exceeds optimizer.lr 4e-05; give a smaller scheduler.min_lr",
        ),
        (
            "base: stacker\nsampling: {batch_size: 64, draws_per_epoch: 32}\n",
            (),
            "/x.yaml:2: sampling: draws_per_epoch 32 is less than batch_size 64",
        ),
    ],
)
def test_what_is_no_stacker_is_named(folder: Path, text: str, overrides: tuple[str, ...], message: str) -> None:
    assert problems(folder, text, *overrides) == [message]


def test_a_stored_config_comes_back_and_is_no_experiment(folder: Path) -> None:
    stacker = load("stacker", ["members=[one, 3f2a] model.dropout=0.25"], folder=folder)
    path = folder / "config.yaml"
    path.write_text(to_yaml(stacker))
    assert load_stored(path) == stacker
    with pytest.raises(UserError) as caught:
        as_experiment(load_stored(path))
    message = "stacker is a stacker, which does not predict from sound itself; give an experiment"
    assert str(caught.value) == message
    assert as_experiment(load("base", folder=folder)).name == "base"


def test_overrides_are_laid_over_a_loaded_stacker(folder: Path) -> None:
    changed = override(load("stacker", folder=folder), ["model.reduction=4"])
    assert isinstance(changed, Stacker)
    assert changed.model.reduction == 4
