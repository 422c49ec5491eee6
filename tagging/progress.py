"""What a person sees while something takes long: bars with an estimate of the time left, and lines.

A terminal has a bar that moves, a log file a line now and then; neither has anything for a moment's work.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, TextIO

from tagging.errors import plain
from tagging.output import libraries_apart

if TYPE_CHECKING:
    from tagging.training.history import EpochRecord

_INTERVAL_S, _DELAY_S = (0.2, 0.5) if sys.stderr.isatty() else (20.0, 20.0)
_COLUMNS = 80  # of a log file
_lock = RLock()  # lines come from threads, too
_open: list[Bar] = []  # the last one is drawn


def say(text: str) -> None:
    """Print a line without breaking a bar."""
    _print(plain(text), sys.stdout)


def warn(text: str) -> None:
    """Print a warning without breaking a bar."""
    _print(f"warning: {plain(text)}", sys.stderr)


def _print(line: str, stream: TextIO) -> None:
    with _lock:
        drawn = [bar for bar in _open[-1:] if bar.clear()]
        print(line, file=stream, flush=True)
        for bar in drawn:
            bar.draw()


class Bar:
    """A progress bar with an estimate of the time left; use it as a context.

    `after` steps follow those of this bar, in bars of their own: the time left for all is shown too.
    """

    def __init__(self, label: str, unit: str, total: int | None = None, after: int = 0) -> None:
        self._label, self._unit, self._total, self._after = label, unit, total, after
        self._done, self._note, self._width = 0, "", 0  # the width of what is drawn, 0: nothing
        self._began = self._drawn = time.monotonic()
        self._first: tuple[int, float] | None = None  # steps and time of the first update, from which the pace is taken
        _open.append(self)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            self.clear()
            _open.remove(self)

    def update(self, steps: int) -> None:
        """Move on by some steps; the first call may count steps of an earlier process."""
        self._done += steps
        now = time.monotonic()
        self._first = self._first or (self._done, now)
        if now - self._drawn >= _INTERVAL_S and now - self._began >= _DELAY_S:
            with _lock:
                self.draw()

    def reach(self, done: int, total: int) -> None:
        """Move to `done` of `total`."""
        self._total = total
        self.update(done - self._done)

    def note(self, text: str) -> None:
        """Show a few words beside the bar."""
        self._note = text

    def describe(self, record: EpochRecord) -> None:
        """Show the numbers of the newest epoch beside the bar."""
        self.note(f"epoch {record.epoch}, lwlrap {record.val_lwlrap:.3f}")

    def text(self, columns: int) -> str:
        """Return the bar as text: its place, the time so far, the time left, and the note."""
        total, now = self._total or 0, time.monotonic()
        share = min(1.0, self._done / total) if total else 0.0
        times = f"{_clock(now - self._began)}<{self._left(now, total)}"
        if self._after:
            place, times = "", f"{times}, all {self._left(now, total + self._after)}"
        else:
            place = f" {self._done}/{total} {self._unit}s"
        head, tail = f"{self._label}: {share:4.0%}|", f"|{place} [{times}{self._note and f', {self._note}'}]"
        room = max(0, columns - len(head) - len(tail))
        return f"{head}{'#' * int(share * room):<{room}}{tail}"

    def _left(self, now: float, end: int) -> str:
        """Return the time until `end` steps are done, at the pace since the first update."""
        if self._first is None or self._done <= self._first[0]:
            return "?"
        steps, since = self._first
        return _clock((now - since) / (self._done - steps) * (end - self._done))

    def draw(self) -> None:
        """Draw the bar in place of what was drawn before; in a log file, as a line."""
        self._drawn = time.monotonic()
        if not sys.stderr.isatty():
            print(self.text(_COLUMNS), file=sys.stderr, flush=True)
            return
        text = self.text(os.get_terminal_size(sys.stderr.fileno()).columns - 1)
        print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)

    def clear(self) -> bool:
        """Take the bar off the terminal; return whether it was drawn there."""
        if not self._width:
            return False
        print(f"\r{' ' * self._width}\r", end="", file=sys.stderr, flush=True)
        self._width = 0
        return True


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


@contextmanager
def decoding_bar(unit: str) -> Iterator[Bar]:
    """Show a bar while sound is decoded; notes that decoders write to the screen become warnings above it.

    Of notes that differ in numbers alone, such as places in a file, the first is shown: they name no file.
    """
    shown: set[str] = set()

    def show(note: str) -> None:
        kind = re.sub(r"0x[0-9a-f]+|[0-9]+", "0", note)
        if kind not in shown:
            shown.add(kind)
            warn(f"a library says: {note}")

    with libraries_apart(show), Bar("features", unit) as bar:
        yield bar
