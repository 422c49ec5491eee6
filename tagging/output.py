"""Guards stdout and stderr: printed text holds no password, and a text that cannot be written fails nothing else."""

from __future__ import annotations

import errno
import io
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Thread
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

    def is_descriptor(self, number: int) -> bool:
        """Say whether the stream writes to this descriptor; one in memory writes to none."""
        try:
            return self._stream.fileno() == number
        except OSError:
            return False

    @contextmanager
    def moved(self) -> Iterator[int]:
        """Write to a copy of the stream's descriptor during the block, which is given the number of the copy."""
        stream, number = self._stream, os.dup(self._stream.fileno())
        # by lines, as Python's stderr is written
        with os.fdopen(number, "w", buffering=1, encoding=stream.encoding, errors="backslashreplace") as copy:
            self._stream = copy
            try:
                yield number
            finally:
                self._stream = stream

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


@contextmanager
def libraries_apart(use: Callable[[str], None]) -> Iterator[None]:
    """Call `use`, in a thread, with each line that libraries in C write to descriptor 2 during the block.

    What Python prints to stderr goes where it always goes. Nothing changes where stderr is not guarded or has another
    descriptor, as in a notebook. Lines are used as they come; only what a library writes in the moment in which it
    crashes the process may be lost.
    """
    stderr: object = sys.stderr
    if not isinstance(stderr, Guarded) or not stderr.is_descriptor(2):
        yield
        return
    # sockets, not a pipe: `shutdown` ends the thread even if a process that was started in the block still has a copy
    there, here = socket.socketpair()
    thread = Thread(target=_read_lines, args=(there, use), daemon=True)
    with closing(there), closing(here), stderr.moved() as screen:
        thread.start()
        try:
            os.dup2(here.fileno(), 2)
            yield
        finally:
            os.dup2(screen, 2)
            here.shutdown(socket.SHUT_WR)
            thread.join()


def _read_lines(there: socket.socket, use: Callable[[str], None]) -> None:
    with there.makefile(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.strip():
                use(line.strip())
