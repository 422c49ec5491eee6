"""What decoders in C write to the screen while a bar stands there."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.project import Project

ROOT = Path(__file__).parents[1]
HEAD = """\
import os, signal, sys
from pathlib import Path
import tagging.progress
from tagging.data.audio import read_sound
from tagging.errors import UserError
from tagging.output import guard

tagging.progress._DELAY_S = tagging.progress._INTERVAL_S = 0  # a bar from the first moment on
guard()
"""
BAR = """
try:
    with tagging.progress.decoding_bar("clip") as bar:
        tagging.progress.warn("Python's own")
        bar.reach(1, 9)
        for number in range(2):
            try:
                read_sound(Path(sys.argv[1]), 44100)
            except UserError as error:
                assert "cut short" in str(error)
            os.write(2, b"Note: at offset %d" % number + bytes([10]))
            bar.reach(2 + number, 9)
        tagging.progress.warn("Python's own")
        os.write(2, b"half a line")
        raise ValueError
except ValueError:
    print("after", file=sys.stderr)
os.write(2, b"a library's, after" + bytes([10]))
"""
KILLED = """
with tagging.progress.decoding_bar("clip"):
    try:
        read_sound(Path(sys.argv[1]), 44100)
    except UserError:
        signal.pause()
"""
OF_THE_DECODER = (
    "Warning: Xing stream size off by more than 1%, fuzzy seeking may be even more fuzzy than by design!"  # libmpg123's
)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """An MP3 of variable bit rate of which the second half is missing: libmpg123 has a note on it."""
    path = tmp_path / "a.mp3"
    noise = np.random.default_rng(0).standard_normal(2 * 44100) * 0.1
    soundfile.write(path, noise, 44100, bitrate_mode="VARIABLE")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_on_a_terminal_notes_stand_above_the_bar_each_kind_once(cut: Path) -> None:
    raw = on_a_terminal(HEAD + BAR, cut)
    for done in (1, 2, 3):
        assert f"| {done}/9 clips [" in raw
    # Python's lines and a library's come from two threads, in either order
    lines = seen(raw)
    assert sorted(lines[:-2]) == [
        "warning: Python's own",
        "warning: Python's own",
        "warning: a library says: Note: at offset 0",
        f"warning: a library says: {OF_THE_DECODER}",
        "warning: a library says: half a line",
    ]
    assert lines[-2:] == ["after", "a library's, after"]


def test_notes_on_the_screen_outlive_a_process_that_is_killed(cut: Path) -> None:
    command = [sys.executable, "-c", HEAD + KILLED, cut]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert f"warning: a library says: {OF_THE_DECODER}\n" in process.stderr
        process.send_signal(signal.SIGKILL)


def test_a_log_of_features_has_a_decoders_notes_alone(tmp_path: Path, cut: Path) -> None:
    project = Project(tmp_path / "project", store=False)
    data = project.folder / "own"
    data.mkdir()
    for number in range(4):
        shutil.copy(cut, data / f"{number}.mp3")
    (data / "clips.csv").write_text("fname,labels\n" + "".join(f"{number}.mp3,Air\n" for number in range(4)))
    done = project.run_apart("features", "base", "--data", "own", "--skip-unreadable")
    assert done.stderr == f"base: reading {data}\nwarning: a library says: {OF_THE_DECODER}\n"


def on_a_terminal(script: str, *arguments: Path) -> str:
    """Run a script with a terminal as its stderr and return all that reached it."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))
    with subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=ROOT, stderr=its) as process:
        os.close(its)
        raw = b""
        try:
            while more := os.read(ours, 2**16):
                raw += more
        except OSError:  # the terminal's end, on Linux
            os.close(ours)
    assert process.returncode == 0, raw
    return raw.decode()


def seen(raw: str) -> list[str]:
    """Return the lines that a terminal shows in the end: what follows a carriage return overwrites what stood there."""
    lines = []
    for written in raw.replace("\r\n", "\n").split("\n"):
        line = ""
        for part in written.split("\r"):
            line = part + line[len(part) :]
        lines.append(line.rstrip())
    return [line for line in lines if line]
