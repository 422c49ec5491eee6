"""The table of docs/testing.md, kept true: its tests exist, run when it says, and no file of tests is left out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PAGE = ROOT / "docs" / "testing.md"
HEADS = {"| promise | kept by | where |", "|---|---|---|"}
KEEPER = r"`([\w/]+\.py)(?:::(test_\w+))?`"
ROW = re.compile(rf"\| (?P<promise>[^|]+) \| (?P<keepers>{KEEPER}(?:, {KEEPER})*) \| (?P<where>quick|long|both) \|")


class Row(NamedTuple):
    """Where a row stands, the (file, test) that keep its promise, "" for a whole file, and when they run."""

    place: str
    keepers: list[tuple[str, str]]
    where: str


def rows() -> list[Row]:
    found = []
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if line.startswith("|") and line not in HEADS:
            row = ROW.fullmatch(line)
            assert row, f"docs/testing.md, line {number}: not of the form | promise | `file.py::test` | quick |: {line}"
            place = f"docs/testing.md, line {number} ({row['promise']})"
            found.append(Row(place, re.findall(KEEPER, row["keepers"]), row["where"]))
    return found


@cache
def functions_of(file: str) -> dict[str, str]:
    """Return when each test of a file runs, by its marks; {} where there is no such file."""
    body = ast.parse((TESTS / file).read_text()).body if (TESTS / file).is_file() else []
    texts = [ast.unparse(node) for node in body if isinstance(node, ast.Assign)]
    all_long = any(text.startswith("pytestmark") and "mark.long" in text for text in texts)
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            some_long = any("mark.long" in mark for mark in marks)  # one of several parameters may be
            found[node.name] = "long" if all_long or "pytest.mark.long" in marks else "both" if some_long else "quick"
    return found


def test_every_named_test_exists() -> None:
    for place, keepers, _ in rows():
        for file, test in keepers:
            assert functions_of(file), f"{place}: there is no file {file} with tests"
            assert not test or test in functions_of(file), f"{place}: there is no {test} in {file}"


def test_every_row_says_when_its_tests_run() -> None:
    for place, keepers, where in rows():
        runs = {run for file, one in keepers for test, run in functions_of(file).items() if one in ("", test)}
        run = "both" if len(runs) > 1 else next(iter(runs), "not there")
        assert where == run, f"{place}: the row says {where}, its tests are {run}"


def test_every_file_of_tests_is_named() -> None:
    left_out = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    left_out -= {file for row in rows() for file, _ in row.keepers}
    assert not left_out, f"docs/testing.md: no row names {', '.join(sorted(left_out))}"


def test_the_tests_of_each_file_are_found_from_its_name() -> None:
    listed: dict[str, str] = {}
    for tests, files in re.findall(r"^- `([\w/]+\.py)`: ((?:`[\w/]+\.py`(?:, )?)+)$", PAGE.read_text(), re.MULTILINE):
        assert functions_of(tests), f"docs/testing.md: there is no file {tests} with tests"
        listed |= dict.fromkeys(re.findall(r"`([\w/]+\.py)`", files), tests)
    imported = "\n".join(path.read_text() for path in TESTS.rglob("*.py"))
    unknown = set(listed)
    for path in sorted([*(ROOT / "tagging").rglob("*.py"), *(ROOT / "tune").rglob("*.py")]):
        name = path.relative_to(ROOT).as_posix().removeprefix("tagging/")
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        package, _, last = module.rpartition(".")
        own = (TESTS / name).with_name(f"test_{path.name}").is_file()
        direct = re.search(rf"\b{re.escape(module)}\b|from {re.escape(package)} import .*\b{last}\b", imported)
        assert own or direct or path.name.startswith("__") or name in listed, (
            f"docs/testing.md: where is {name} tested?"
        )
        unknown.discard(name)
    assert not unknown
