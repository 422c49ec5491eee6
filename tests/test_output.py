"""What a command prints, where nobody reads it, where there is no room for it, and where its encoding lacks letters."""

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
    assert done.stderr == "warning: Krähe\nerror: the output is incomplete: No space left on device\n"
    assert (tmp_path / "a.txt").read_text() == "done"


def test_no_file_gets_what_is_printed_to_a_stdout_that_is_closed(tmp_path: Path) -> None:
    closed = ["bash", "-c", 'exec "$@" >&- 2>&-', "-", sys.executable, "-c", COMMAND, tmp_path / "a.txt"]
    assert subprocess.run(closed, cwd=ROOT).returncode == 0
    assert (tmp_path / "a.txt").read_text() == "done"


@pytest.mark.parametrize(
    ("encoding", "said"), [("ascii", b"Kr\\xe4he"), ("latin-1", b"Kr\xe4he"), ("utf-8", "Krähe".encode())]
)
def test_letters_that_an_encoding_lacks_are_escaped(encoding: str, said: bytes, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, tmp_path / "Krähe.txt"],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"warning: " + said + b"\n")
    assert done.stdout.splitlines()[0] == said + b" 0"


def test_a_file_with_any_name_is_found_where_the_locale_knows_ascii_alone(tmp_path: Path) -> None:
    file = tmp_path / "Krähe.yaml"
    file.write_text("base: base\nnotes: A crow.\nlabels: {corrections: Krähe.csv}\n", "utf-8")
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-m", "tagging", "show", "experiment", file],
        cwd=ROOT,
        env=plain | {"LC_ALL": "C", "PYTHONUTF8": "0"},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\n  corrections: Krähe.csv\n".encode() in done.stdout
