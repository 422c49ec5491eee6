"""What a command line says of arguments, fields and names that there are not: what is meant, and nothing misleading."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tagging import RECIPE_VERSION, VERSION
from tagging.cli import main
from tagging.data.layouts import read_dataset
from tagging.errors import UserError, nearest
from tests.data.build import write_sounds, write_text
from tune.cli import main as search

ROOT = Path(__file__).parents[2]


def last_line(capsys: pytest.CaptureFixture[str], command: Callable[[Sequence[str]], int], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        command(arguments)
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "train smoke --lr 1e-3",
            "train: error: there is no argument --lr; give the field as --set optimizer.lr=VALUE",
        ),
        (
            "train smoke --batch-size=4",
            "train: error: there is no argument --batch-size=4; give the field as "
            "--set sampling.batch_size=VALUE or predict.batch_size=VALUE",
        ),
        ("train smoke --dta x", "train: error: there is no argument --dta; did you mean --data?"),
        (
            "train smoke twice",
            "train: error: there is no argument twice; python -m tagging train --help lists them",
        ),
        ("submit --set a", "submit: error: there is no argument --set; python -m tagging submit --help lists them"),
        (
            "show runs --all",
            "show runs: error: there is no argument --all; python -m tagging show runs --help lists them",
        ),
    ],
)
def test_an_unknown_argument_is_told_by_its_command(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert last_line(capsys, main, *arguments.split()) == f"python -m tagging {said}"


def test_an_unknown_argument_of_the_search_too(capsys: pytest.CaptureFixture[str]) -> None:
    said = "there is no argument --epochs; give the field as --set training.epochs=VALUE"
    assert last_line(capsys, search, "search", "lr_mixup", "--epochs", "3") == f"python -m tune search: error: {said}"


@pytest.mark.parametrize(
    ("command", "arguments", "begin", "line"),
    [
        (main, [], "usage: python -m tagging [-h] [--version] COMMAND ...", "    train "),
        (main, ["show"], "usage: python -m tagging show [-h] TOPIC ...", "    schema "),
        (search, [], "usage: python -m tune [-h] [--version] COMMAND ...", "    search "),
    ],
    ids=["tagging", "show", "tune"],
)
def test_without_a_command_all_are_listed(
    command: Callable[[Sequence[str]], int],
    arguments: list[str],
    begin: str,
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        command(arguments)
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith(begin)
    assert f"\n{line}" in shown


def test_what_python_was_given_counts_as_arguments(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["tagging", "show", "schema", "seed"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("  seed = 0  (int, >= 0, < 9.22337e+18)\n")


@pytest.mark.parametrize("command", [main, search])
def test_the_version_is_that_of_the_project(
    command: Callable[[Sequence[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
    with pytest.raises(SystemExit) as stop:
        command(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"audio-tagging {VERSION}, recipe {RECIPE_VERSION}\n"


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("lr=1e-3", "lr is not a field; did you mean optimizer.lr? There are: name, "),
        ("training.lr=1e-3", "training.lr is not a field; did you mean optimizer.lr? There are: epochs, "),
        (
            "batch_size=4",
            "batch_size is not a field; did you mean sampling.batch_size or predict.batch_size? There are: name, ",
        ),
        ("epoch=4", "epoch is not a field; did you mean training.epochs? There are: name, "),
        ("scheduler.first=4", "scheduler.first is not a field; it is one of scheduler.kind cosine. There are: kind, "),
        ("learning_rate=4", "learning_rate is not a field; There are: name, "),
        ("optimizr.lr=4", "optimizr is not a field; did you mean optimizer? There are: name, "),
    ],
)
def test_a_field_in_the_wrong_place_is_found(override: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "smoke", "--set", override]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: --set {override.partition('=')[0]}: {hint}")


@pytest.mark.parametrize(
    ("name", "allowed", "near"),
    [
        ("nosuch", ["noisy"], ""),
        ("labels", ["primary_label", "secondary_labels"], ""),
        ("fname", ["fname;labels"], ""),
        ("DOG_BRAK", ["Dog_bark"], "Dog_bark"),
        ("lr_mixp", ["lr_mixup", "noisy"], "lr_mixup"),
    ],
)
def test_only_a_near_name_is_a_hint(name: str, allowed: list[str], near: str) -> None:
    assert nearest(name, allowed) == near


def test_a_table_of_another_data_set_gets_no_hint_that_would_spoil_it(tmp_path: Path) -> None:
    table = write_text(tmp_path / "t.csv", "primary_label,secondary_labels,filename", "a,\"['b']\",1.wav")
    write_sounds(tmp_path, ["1.wav"])
    with pytest.raises(UserError) as error:
        read_dataset(tmp_path)
    header = "the header is 'primary_label,secondary_labels,filename'"
    assert error.value.problems == (
        f"{table}, line 1: no column 'fname'; {header}; did you mean 'filename'?",
        f"{table}, line 1: no column 'labels'; {header}",
    )


def test_a_data_set_that_was_not_fetched_says_how(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tagging.project.root", lambda: tmp_path)
    monkeypatch.setattr("tagging.project.experiments", lambda: ROOT / "experiments")
    assert main(["train", "base"]) == 2
    assert capsys.readouterr().err == (
        "base: reading data/fsdkaggle2019\n"
        f"error: {tmp_path}/data/fsdkaggle2019: there is no such folder; `python -m tagging download fsdkaggle2019` "
        "fetches the data set, and --data FOLDER names one of your own\n"
    )


def test_the_schema_is_shown_of_one_field_or_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "schema", "augment.noise.max_db"]) == 0
    assert capsys.readouterr().out.startswith("  augment.noise.max_db = ")
    assert main(["show", "schema", "model"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("model.kind = skip_attention: Convolutions, ")
    assert "\n  model.base_size = 64  (int, >= 2, <= 512)\n" in shown
    assert "\nkind = stacker:\nmodel.kind = fcnet: " in shown
    assert "optimizer.lr" not in shown
    assert main(["show", "schema", "lr"]) == 2
    assert capsys.readouterr().err == "error: show schema: there is no field 'lr'; did you mean optimizer.lr?\n"
