"""A sweep on the screen: a table that is redrawn on a terminal, a line at each start and end elsewhere."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from tagging.progress import say
from tagging.report.wording import count
from tune.records import TrialRecord, words

_ENDED = ("FINISHED", "PRUNED", "FAILED")
_AT_WORK = ("RUNNING", "WAITING")
_STYLES = {"FAILED": "red", "PRUNED": "dim", "KILLED": "dim"}
_BESIDE_ROWS = 6  # lines of a terminal: notes on hidden rows and fields (2), head, bar, sentence, prompt
_SHORTEST, _GAP = 5, 2  # columns of a value, and between two
_BESIDE_VALUES = 30  # columns of trial, epoch, lwlrap and state, with gaps


@dataclass
class _Row:
    values: Mapping[str, Any] = field(default_factory=dict)
    state: str = "RUNNING"
    epochs: int = 0
    lwlrap: float | None = None
    earlier: bool = False  # begun before the sweep was resumed
    begun: float | None = None  # time at which this start of the sweep began or continued it
    took: float | None = None  # seconds from begin to end, if this start of the sweep saw both

    @property
    def state_shown(self) -> str:
        # a worker imports torch and reads the data before its first epoch
        return "starting" if self.state == "RUNNING" and not self.epochs else self.state.lower()


@dataclass
class _Rows:
    """The trials by number, and what follows from all of them."""

    trials: int
    by_number: dict[int, _Row] = field(default_factory=dict)
    begun: float = field(default_factory=lambda: time.monotonic())
    waiting: str = ""  # for this, before the first trial starts
    at_once: int = 1  # the most trials that ran side by side

    @property
    def rows(self) -> list[_Row]:
        return list(self.by_number.values())  # in one go: the table is redrawn in another thread

    def best(self) -> int | None:
        rows = dict(self.by_number)
        scores = {
            number: row.lwlrap for number, row in rows.items() if row.state == "FINISHED" and row.lwlrap is not None
        }
        return max(scores, key=lambda number: (scores[number], -number), default=None)

    def ended(self) -> int:
        return sum(row.state in _ENDED for row in self.rows)

    def running(self) -> list[_Row]:
        return [row for row in self.rows if row.begun is not None and row.state in _AT_WORK]

    def left(self) -> str:
        """Return an estimate, `about 12 min left`; empty while all trials whose begin and end were seen have failed.

        It assumes the mean duration of these trials, and as many side by side as there were at most.
        """
        seen = [row for row in self.rows if row.took is not None]
        if all(row.state == "FAILED" for row in seen):
            return ""
        usual = statistics.fmean(row.took or 0.0 for row in seen)
        running = self.running()
        rests = [max(usual - (time.monotonic() - (row.begun or 0.0)), 0.0) for row in running]
        to_come = max(self.trials - self.ended() - len(running), 0)
        longest = usual if to_come else max(rests, default=0.0)
        seconds = max((to_come * usual + sum(rests)) / self.at_once, longest)
        return f"{_about(seconds)} left" if seconds else ""

    def sentence(self) -> str:
        """Return `7 of 12 trials, best 0.8412 (trial 3), 2 pruned, 1 failed, 4:12 so far`."""
        parts = [f"{self.ended()} of {self.trials} trials"]
        best = self.best()
        if best is not None:
            parts.append(f"best {self.by_number[best].lwlrap:.4f} (trial {best})")
        states = Counter(row.state for row in self.rows)
        parts += [f"{states[state]} {state.lower()}" for state in ("PRUNED", "FAILED") if states[state]]
        parts.append(f"{_clock(time.monotonic() - self.begun)} so far")
        return ", ".join([*parts, *([f"waiting for {self.waiting}"] if self.waiting else [])])


class Screen:
    """Shows a sweep within a `with` block; its methods may be called in any order.

    `paths` are the searched fields, `trials` the number of the whole sweep, `earlier` the trials of a sweep that is
    resumed. A trial that starts again keeps its row; one whose worker died before it started has a row too.
    """

    def __init__(
        self, paths: Sequence[str], trials: int, earlier: Sequence[TrialRecord] = (), console: Console | None = None
    ) -> None:
        self._names = short_names(paths)
        self._rows = _Rows(trials)
        for record in earlier:
            state = "KILLED" if record.state == "RUNNING" else record.state  # it has not started again
            self._rows.by_number[record.number] = _Row(record.values, state, record.epochs, record.lwlrap, earlier=True)
        self._console = console or Console()
        self._room = 0  # rows; 0: as many as the terminal holds
        self._live = Live(console=self._console, get_renderable=self._moving, refresh_per_second=2)
        self._moves = self._console.is_terminal

    def __enter__(self) -> Screen:
        if self._moves:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._moves:
            self._room = len(self._rows.by_number)  # all trials stay on the screen
            self._live.stop()

    def waits_for(self, what: str) -> None:
        """Show what the sweep waits for until the first trial starts."""
        self._rows.waiting = what
        if not self._moves:
            say(f"waiting for {what}")

    def started(self, number: int, values: Mapping[str, Any]) -> None:
        """Show that a trial begins or continues with these values, by path."""
        self._rows.waiting = ""
        known = number in self._rows.by_number
        row = self._row(number)
        if known and row.state == "RUNNING" and row.values == values:
            return  # after a pause
        row.values, row.state = values, "RUNNING"
        row.begun = row.begun or time.monotonic()
        self._rows.at_once = max(self._rows.at_once, len(self._rows.running()))
        if not self._moves:
            chosen = "; ".join(f"{name} {_value(values[path])}" for path, name in self._names.items() if path in values)
            say(f"trial {number}: {chosen}")

    def epoch(self, number: int, epochs: int, lwlrap: float) -> None:
        """Show how many epochs a trial has, over all its folds, and its score so far."""
        row = self._row(number)
        row.epochs, row.lwlrap = epochs, lwlrap

    def lost(self, number: int) -> None:
        """Show that a trial's worker died; another one continues from the last checkpoint, or begins anew."""
        self._row(number).state = "WAITING"
        self._print(f"trial {number}: its worker died; another worker continues it")

    def ended(self, number: int, state: str, lwlrap: float | None, error: str = "") -> None:
        """Show the end of a trial, with its score (None without one) and the error of a failed one."""
        row = self._row(number)
        row.state, row.lwlrap = state, lwlrap
        if row.begun is not None and not row.earlier and state in _ENDED:
            row.took = time.monotonic() - row.begun
        if not self._moves:
            score = "" if lwlrap is None else f", lwlrap {lwlrap:.4f}"
            text = f"trial {number} {state.lower()} after {count(row.epochs, 'epoch')}{score}"
            say(f"{text}: {error}" if error else text)
            say(", ".join([f"  {self._rows.sentence()}", *filter(None, [self._rows.left()])]))
        elif error:
            self._print(f"trial {number} {state.lower()}: {error}")

    def _print(self, text: str) -> None:
        if self._moves:
            self._console.print(text, markup=False, highlight=False)
        else:
            say(text)

    def table(self, room: int) -> RenderableType:
        """Return the table with at most `room` trials, the bar and the sentence below it."""
        rows, best = dict(self._rows.by_number), self._rows.best()
        # running ones and the best take precedence, then the newest
        wanted = sorted(rows, key=lambda number: (rows[number].state != "RUNNING" and number != best, -number))
        numbers = sorted(wanted[:room])
        names = dict(list(self._names.items())[: (self._console.width - _BESIDE_VALUES) // (_SHORTEST + _GAP)])
        table = Table(
            Column("trial", justify="right", no_wrap=True),
            *(Column(_one_line(name), min_width=_SHORTEST) for name in names.values()),
            Column("epoch", justify="right", no_wrap=True),
            Column("lwlrap", justify="right", no_wrap=True),
            Column("state", no_wrap=True),
            box=None,
            pad_edge=False,
        )
        for number in numbers:
            row = rows[number]
            table.add_row(
                f"* {number}" if number == best else str(number),
                *(_one_line(_value(row.values[path]) if path in row.values else "") for path in names),
                str(row.epochs or ""),
                "" if row.lwlrap is None else f"{row.lwlrap:.4f}",
                row.state_shown,
                style="bold" if number == best else _STYLES.get(row.state, ""),
            )
        cut = {"trials": (len(numbers), len(self._rows.by_number)), "searched fields": (len(names), len(self._names))}
        notes = [f"{shown} of {there} {what} are shown" for what, (shown, there) in cut.items() if shown < there]
        # padded, since a bar by itself does not end its line
        bar: RenderableType = Padding(ProgressBar(total=self._rows.trials, completed=self._rows.ended()), 0)
        if left := self._rows.left():
            beside = Table.grid(Column(ratio=1), Column(no_wrap=True), padding=(0, 1), expand=True)
            beside.add_row(bar, left)
            bar = beside
        return Group(*(Text(note, "dim") for note in notes), table, bar, Text(self._rows.sentence()))

    def _row(self, number: int) -> _Row:
        return self._rows.by_number.setdefault(number, _Row())

    def _moving(self) -> RenderableType:
        return self.table(self._room or max(self._console.height - _BESIDE_ROWS, 1))


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Return for each path as few of its last parts as tell it from the others: `lr` for `optimizer.lr`."""
    listed = list(paths)

    def short(path: str) -> str:
        parts = path.split(".")
        names = [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
        others = [other for other in listed if other != path]
        return next((name for name in names if not any(f".{other}".endswith(f".{name}") for other in others)), path)

    return {path: short(path) for path in listed}


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else words(value)


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _about(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
