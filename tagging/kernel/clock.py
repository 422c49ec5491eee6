"""How much time is left, and how long the networks to come will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tagging.report.wording import duration

RESERVE = 0.05  # of a time limit, kept for blending and writing
QUIET_S = 10.0  # between two lines of progress

NetworkFold = tuple[str, int]  # a network's name and a fold


class OutOfTime(Exception):
    """A network would end after the time limit."""


@dataclass
class Clock:
    """The time since `started` (as `now` gives it, in seconds), against a limit in seconds, None for none."""

    started: float
    limit: float | None = None
    now: Callable[[], float] = time.monotonic

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now() - self.started

    @property
    def left(self) -> float:
        """Seconds until the limit, less what is kept for the end; infinite without a limit."""
        return float("inf") if self.limit is None else self.limit * (1 - RESERVE) - self.elapsed


@dataclass
class Pace:
    """The seconds that networks take: as measured where the kernel was packed, until they are measured here.

    `packed` maps a network's name to the seconds that a fold of it would take for these clips on that machine.
    """

    packed: dict[str, float]
    measured: dict[str, float] = field(default_factory=dict)

    def expected(self, name: str) -> float:
        """Return the seconds that a fold of a network will take."""
        if name in self.measured:
            return self.measured[name]
        known = sum(self.packed[other] for other in self.measured)
        return self.packed[name] * (sum(self.measured.values()) / known if known else 1.0)

    def of_all(self, folds: Iterable[NetworkFold]) -> float:
        """Return the seconds that several folds of networks take together."""
        return sum(self.expected(name) for name, _ in folds)


class Reading:
    """Prints now and then how far the reading of sound is, and how long it will take."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._printed = clock.now()

    def __call__(self, done: int, total: int) -> None:
        """Take note of `done` seconds of sound of `total`."""
        now = self._clock.now()
        if done and now - self._printed > QUIET_S:
            self._printed = now
            left = (now - self._began) / done * (total - done)
            print(f"sound: {done:,} of {total:,} s; {duration(left)} to go", flush=True)


class Watch:
    """Watches the batches of one fold: measures it, prints the time left for all, stops it where that is too long."""

    def __init__(self, fold: NetworkFold, rest: Sequence[NetworkFold], pace: Pace, clock: Clock, must: bool) -> None:
        self._fold, self._rest, self._pace, self._clock, self._must = fold, rest, pace, clock, must
        self._began = self._printed = clock.now()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Take note of a batch: `done` tiles of `total`. Raises OutOfTime unless this fold must be done."""
        now = self._clock.now()
        if done == total:
            self._pace.measured[self._fold[0]] = now - self._began
            return
        if self._first is None:  # what comes before the second batch is slower than the rest
            self._first = now, done
            return
        began, before = self._first
        left = (now - began) / (done - before) * (total - done)
        self._pace.measured[self._fold[0]] = now - self._began + left
        if not self._must and left > self._clock.left:
            raise OutOfTime
        if now - self._printed > QUIET_S:
            self._printed = now
            seconds = left + self._pace.of_all(self._rest)
            print(f"{label(self._fold)}: {done} of {total} tiles; {duration(seconds)} to go", flush=True)


def label(fold: NetworkFold) -> str:
    """Return the name of a network's fold on the screen."""
    return f"{fold[0]}, fold {fold[1]}"
