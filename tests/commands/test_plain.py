"""Names that a terminal would obey are printed as escapes: of files and runs, in errors, warnings and tables."""

from __future__ import annotations

import pytest

from tagging.commandline import begin, exit_status
from tagging.commands.printing import print_rows
from tagging.errors import UserError
from tagging.progress import say, warn

NAME = "a\x1b[31m\r\x9bb"
SHOWN = "a\\x1b[31m\\r\\x9bb"


def test_no_name_reaches_the_terminal_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        begin(f"tagging {NAME}")
        say(f"{NAME}\tBark")
        warn(f"{NAME} is silent")
        raise UserError(f"{NAME}: no such file")

    assert exit_status(fail, "") == 2
    shown = capsys.readouterr()
    assert shown.out == f"{SHOWN}\tBark\n"
    assert shown.err == f"tagging {SHOWN}\nwarning: {SHOWN} is silent\nerror: {SHOWN}: no such file\n"


def test_a_name_in_a_table_stays_in_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["run"], [["two\nlines"], [NAME]])
    assert capsys.readouterr().out.splitlines() == ["run", "two\\nlines", SHOWN]
