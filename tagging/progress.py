"""What a person sees while something takes long: bars with an estimate, and lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from tagging.errors import plain
from tagging.output import libraries_apart

# a log file gets a line now and then, a terminal a bar that moves; neither gets one for a moment's work
# without tqdm's rate, so that a fold's line fits 80 columns
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} {unit}s [{elapsed}<{remaining}{postfix}]"
_FORMAT_OF_ONE = "{l_bar}{bar}| [{elapsed}<{remaining}, all {whole}{postfix}]"
_INTERVAL_S, _DELAY_S = (0.2, 0.5) if sys.stderr.isatty() else (20.0, 20.0)


def say(text: str) -> None:
    """Print a line without breaking a bar."""
    tqdm.write(plain(text), file=sys.stdout)
    sys.stdout.flush()


def warn(text: str) -> None:
    """Print a warning without breaking a bar."""
    tqdm.write(f"warning: {plain(text)}", file=sys.stderr)


class _OneOfSeveral(tqdm):
    """A bar that knows how many steps come after its own, and the time left for all."""

    after = 0

    @property
    def format_dict(self) -> dict[str, Any]:
        """What a format may name: tqdm's own, and the time left for this bar and what comes after."""
        known = dict(super().format_dict)
        done, total = known["n"] - known["initial"], (known["total"] or 0) + self.after
        left = (total - known["n"]) * known["elapsed"] / done if done else None
        return known | {"whole": "?" if left is None else tqdm.format_interval(left)}

    def clear(self, nolock: bool = False) -> None:
        """Make room for a line, where the bar is shown already."""
        if self._is_shown():
            super().clear(nolock)

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> None:
        """Draw the bar; after a line (`nolock`) only where it is shown already: `close` clears no other."""
        if not nolock or self._is_shown():
            super().refresh(nolock, lock_args)

    def _is_shown(self) -> bool:
        return self.last_print_t >= self.start_t + (self.delay or 0)


class Bar:
    """A progress bar with an estimate of the time left; use it as a context.

    `after` steps follow those of this bar, in bars of their own: the time left for all is shown too.
    """

    def __init__(self, label: str, unit: str, total: int | None = None, after: int = 0) -> None:
        self._bar = _OneOfSeveral(
            desc=label,
            unit=unit,
            total=total,
            bar_format=_FORMAT_OF_ONE if after else _FORMAT,
            mininterval=_INTERVAL_S,
            delay=_DELAY_S,
            dynamic_ncols=True,
            leave=False,
        )
        self._bar.after = after
        self._moved = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, steps: int) -> None:
        """Move on by some steps; the first call counts those of an earlier process, which took none of this time."""
        if not self._moved:
            self._moved, self._bar.initial = True, steps
        self._bar.update(steps)

    def reach(self, done: int, total: int) -> None:
        """Move to `done` of `total`."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def note(self, text: str) -> None:
        """Show a few words beside the bar."""
        self._bar.set_postfix_str(text, refresh=False)


@contextmanager
def decoding_bar(unit: str) -> Iterator[Bar]:
    """Show a bar while sound is decoded; the notes that decoders write to the screen stand above it as warnings.

    Notes that differ in numbers alone, such as places in a file, are shown once: they name no file.
    """
    shown: set[str] = set()

    def show(note: str) -> None:
        kind = re.sub(r"0x[0-9a-f]+|[0-9]+", "0", note)
        if kind not in shown:
            shown.add(kind)
            warn(f"a library says: {note}")

    with libraries_apart(show), Bar("features", unit) as bar:
        yield bar
