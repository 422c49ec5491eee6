"""What a command says, on stdout and stderr: it holds no password, and where it cannot be said nothing else fails."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO, cast

from tagging.masking import showable

_NOBODY_READS = (errno.EPIPE, errno.EIO)  # a pipe's reader has gone (`| head -1`); the terminal was closed


class Guarded:
    """A text stream that takes every text; what its encoding lacks is written as an escape, as `\\xe4`.

    Once nobody reads it, or its disk is full, what is written is dropped. `failed` is then the reason, None where the
    reader went away, which is no failure.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failed: OSError | None = None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write a text without passwords, or drop it."""
        try:
            self._stream.write(showable(text))
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Hand on what is written, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop(self, error: OSError) -> None:
        """Let nothing of it be read from now on, what the stream still holds and what libraries write included."""
        if error.errno not in _NOBODY_READS:
            self.failed = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def guard() -> None:
    """Have stdout and stderr guarded until the process ends; one that is closed is opened on nothing."""
    # the lowest number that is free: else the next file that is opened, such as the store, gets what is printed
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name) or io.TextIOWrapper(io.FileIO(number, "w", closefd=False), encoding="utf-8")
        if not isinstance(stream, Guarded):
            setattr(sys, name, cast(TextIO, Guarded(stream)))


def lost_words() -> OSError | None:
    """Return why not all that was printed could be written, None where it was, or where its reader went away."""
    sys.stdout.flush()
    return getattr(sys.stdout, "failed", None)
