"""What a command prints, where nobody reads it, and where there is no room for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# a command that prints more than a pipe holds, before and after its file
COMMAND = """
import sys
from pathlib import Path
from tagging.commandline import exit_status

def command():
    for number in range(20000):
        print("Krähe", number)
    print("warning: Krähe", file=sys.stderr, flush=True)
    Path(sys.argv[1]).write_text("done", "utf-8")
    print("wrote", sys.argv[1], flush=True)

sys.exit(exit_status(command, "stopped"))
"""


@pytest.fixture
def nobody() -> Iterator[int]:
    """A pipe that is written to and whose reader has gone."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


def test_a_reader_that_goes_away_stops_no_command(nobody: int, tmp_path: Path) -> None:
    for err in (subprocess.PIPE, nobody):
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, tmp_path / "a.txt"], cwd=ROOT, stdout=nobody, stderr=err, text=True
        )
        assert (done.returncode, done.stderr) == (0, "warning: Krähe\n" if err == subprocess.PIPE else None)
        assert (tmp_path / "a.txt").read_text() == "done"
        (tmp_path / "a.txt").unlink()


def test_the_schema_is_shown_to_a_reader_of_one_line(nobody: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tagging", "show", "schema"], cwd=ROOT, stdout=nobody, stderr=subprocess.PIPE
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_a_full_disk_does_not_take_of_the_words_is_told_after_the_work(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, tmp_path / "a.txt"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "warning: Krähe\nerror: what was printed is not whole: No space left on device\n"
    assert (tmp_path / "a.txt").read_text() == "done"


def test_no_file_gets_what_is_printed_to_a_stdout_that_is_closed(tmp_path: Path) -> None:
    closed = ["bash", "-c", 'exec "$@" >&- 2>&-', "-", sys.executable, "-c", COMMAND, tmp_path / "a.txt"]
    assert subprocess.run(closed, cwd=ROOT).returncode == 0
    assert (tmp_path / "a.txt").read_text() == "done"
