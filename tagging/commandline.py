"""What the command lines share: arguments that are numbers, how a command begins and ends. Imports nothing heavy."""

from __future__ import annotations

import argparse
import errno
import gc
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tagging.errors import UserError, plain
from tagging.output import guard, lost_words
from tagging.signals import interrupting


def exit_status(command: Callable[[], None], stopped: str) -> int:
    """Run a command; return 0, 2 for an error the user can mend, 3 where something is left out, 130 after a signal.

    The signals are those of `tagging.signals`. `stopped` says how to continue; it is printed after an interrupt that
    has no text of its own. Printing never fails the command (`tagging.output`); text that did not fit on a full disk
    ends it with 2.
    """
    guard()
    try:
        with interrupting():
            command()
        if (lost := lost_words()) is not None:
            raise UserError(f"the output is incomplete: {lost.strerror}")
    except UserError as error:
        print(*(f"error: {plain(problem)}" for problem in error.problems), sep="\n", file=sys.stderr)
        return error.status
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        print(f"error: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"\nstopped; {str(interrupt) or stopped}", file=sys.stderr)
        return 130
    return 0


def know_all_names() -> None:
    """Start the process anew, in Python's UTF-8 mode, where it can name files in ASCII alone.

    That is so with LC_ALL=C and PYTHONUTF8=0: a file whose name has another letter could not be opened.
    """
    if sys.getfilesystemencoding() == "ascii":
        os.environ["PYTHONUTF8"] = "1"  # for the processes that are started below
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def begin(text: str) -> None:
    """Say on stderr what a command is about to do, before the libraries are imported that it does it with."""
    print(plain(text), file=sys.stderr, flush=True)


@contextmanager
def importing() -> Iterator[None]:
    """Import a command's libraries without the garbage collector, which goes through a million new objects in vain.

    That was a fifth of the time that MLflow takes to import.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return the type of an argument that is a whole number of `least` or more, `most` at most."""
    allowed = f"{least} or more" if most is None else f"{least} to {most}"

    def number(text: str) -> int:
        if not text.isdecimal() or len(text) > 18 or int(text) < least or (most is not None and int(text) > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {allowed}")
        return int(text)

    return number


def given(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the type of an argument that may be empty, which is None: `mlflow run` hands over what nobody gave."""
    return lambda text: kind(text) if text else None


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return the type of an argument that is one of some words; empty text means the first."""

    def word(text: str) -> str:
        if text and text not in allowed:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(allowed)}")
        return text or allowed[0]

    return word


def names(texts: Sequence[str]) -> list[str]:
    """Return names that were given one by one, or several in one text with commas between them."""
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def minutes(text: str) -> float | None:
    """Return a number of minutes above 0, the type of an argument; None for empty text."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return number


def folder(text: str) -> Path | None:
    """Return a folder as the shell means it, from where the user stands; None for empty text."""
    return Path(text).expanduser().absolute() if text else None
