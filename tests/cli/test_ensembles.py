"""The arguments of `select` and `ensemble`: empty ones mean not given, wrong ones are told."""

from __future__ import annotations

import re

import pytest

from tagging.cli import main, parser
from tagging.cli.results import sizes
from tagging.commandline import names
from tests.project import ROOT


def test_empty_arguments_are_those_that_were_not_given() -> None:
    # as `mlflow run` hands over parameters that nobody gave
    empty = {"data_set", "where", "runs", "min", "method", "search", "size", "must", "by", "name"}
    given = [text for name in sorted(empty) for text in (f"--{name.replace('_', '-')}", "")]
    parsed, bare = (vars(parser().parse_args(["select", *arguments])) for arguments in (given, []))
    for several in ("runs", "must"):
        assert names(parsed.pop(several)) == names(bare.pop(several)) == []
    assert parsed == bare


def test_help_tells_defaults_and_how_several_runs_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["select", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "--runs RUN [RUN ...] among these alone, one by one or with commas between them",
        "--method MEAN geometric, arithmetic, both (default)",
        "--search HOW enumerate, greedy, weights (default enumerate)",
        "--size 1..7 members, fewest to most; one number is exactly that many (default: any number)",
        "--must RUN [RUN ...] always members, one by one or with commas between them",
        "--by NUMBER cv or nested (default cv)",
    ):
        assert text in shown
    bare = parser().parse_args(["select"])
    assert (bare.method, bare.search, bare.size, bare.by) == ("both", "enumerate", (1, None), "cv")


@pytest.mark.parametrize("command", ["select", "ensemble", "submit"])
def test_every_parameter_of_the_entry_point_is_an_option(command: str) -> None:
    project = (ROOT / "MLproject").read_text()
    (entry,) = re.findall(rf"^  {command}:\n    parameters:\n((?:      .*\n)+)", project, re.MULTILINE)
    parameters = re.findall(r"^      (\w+): \{type: string, default: \S+\}$", entry, re.MULTILINE)
    assert len(parameters) == entry.count("\n")
    options = vars(parser().parse_args([command, *(["x"] if command == "ensemble" else [])]))
    assert set(parameters) <= set(options)


def test_names_come_one_by_one_or_with_commas() -> None:
    assert names(["a", "b, c d", ""]) == ["a", "b", "c d"]


@pytest.mark.parametrize(("text", "expected"), [("", (1, None)), ("3", (3, 3)), ("1..7", (1, 7)), ("2..2", (2, 2))])
def test_sizes_are_a_number_or_a_range(text: str, expected: tuple[int, int | None]) -> None:
    assert sizes(text) == expected


@pytest.mark.parametrize(
    ("option", "text", "problem"),
    [
        *(
            (
                "--size",
                text,
                f"'{text}' is no number of members; give one of 1 or more, as 3, or the fewest and the most, as 1..7",
            )
            for text in ("0", "0..3", "4..3", "2..", "..3", "..", "2...4", "two", "1..3..5")
        ),
        ("--method", "harmonic", "'harmonic' is none of both, geometric, arithmetic"),
        ("--search", "all", "'all' is none of enumerate, greedy, weights"),
        ("--by", "test", "'test' is none of cv, nested"),
        ("--min", "0", "'0' is not a whole number of 1 or more"),
    ],
)
def test_what_is_allowed_is_told(option: str, text: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["select", option, text])
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"python -m tagging select: error: argument {option}: {problem}"
