"""The signals that end a command: one list for all commands, each of them as Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGHUP: the terminal is closed; SIGUSR1: SLURM says so that a job's time is up soon (docs/train.md)
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
_AGAIN_S = 0.5


@contextmanager
def interrupting() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block at a signal of ENDING, and again until the block ends where it is lost.

    An interrupt is lost in a weakref callback, in `__del__` and in code that catches everything. One that is being
    handled, by `except`, `finally` or the end of a `with`, is not raised again, so that runs are closed in peace; only
    a second SIGINT breaks that off. A signal that is ignored already stays so, as SIGHUP under nohup.
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
        if number == signal.SIGINT or not _is_handled():
            raise KeyboardInterrupt

    on_alarm = signal.getsignal(signal.SIGALRM)
    with keeping_handlers():
        before, sys.unraisablehook = sys.unraisablehook, _show_no_interrupt
        for number in ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, interrupt)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGALRM) == interrupt:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, on_alarm)
            sys.unraisablehook = before


@contextmanager
def keeping_handlers() -> Iterator[None]:
    """Put the handlers of all these signals back after a block, which may install others, as Ray and Tune do."""
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # no other thread can install any
            for number, handler in before.items():
                signal.signal(number, handler)


def _is_handled() -> bool:
    """Tell whether any frame below the caller handles an interrupt at this moment."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _show_no_interrupt(what: sys.UnraisableHookArgs) -> None:
    """Show any error but an interrupt that is lost, since it comes again."""
    if not issubclass(what.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(what)
