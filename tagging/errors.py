"""Errors that the user can mend: each says what was given, what is allowed and what to do."""

from __future__ import annotations

import difflib
import errno
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tagging.masking import showable

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
# for libraries that keep no error number: safetensors, SQLite
_NO_SPACE_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")


class UserError(Exception):
    """Something the user gave cannot be used.

    `problems` holds one line a problem, all that were found at once, without passwords. The command line prints them
    without a traceback and exits with `status`.
    """

    status = 2

    def __init__(self, *problems: str) -> None:
        problems = tuple(map(showable, problems))
        super().__init__("\n".join(problems))
        self.problems = problems


class PartlyDone(UserError):
    """A command has written what it could, and `problems` names what is missing; raised at its end."""

    status = 3


class UnreadableSound(UserError):
    """One sound file cannot be decoded in full; `reason` is the message without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{printable(path)}: {reason}")
        self.path = path
        self.reason = reason


def printable(path: Path | str) -> str:
    """Return a path as text that UTF-8 holds: bytes of its name that are not UTF-8 become \\xff."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def plain(text: str) -> str:
    """Return a text that no terminal obeys: control characters but line ends and tabs become escapes, as \\x1b."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text)


class DiskFull(UserError):
    """The disk of a folder has no room left for `needed` bytes, 0 where that is not known."""

    def __init__(self, folder: Path, needed: int = 0) -> None:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        room = f"{shutil.disk_usage(place).free / 1e6:.2f} MB free"
        if needed:
            room = f"{needed / 1e6:.2f} MB needed, {room}"
        super().__init__(
            f"{folder}: the disk is full ({room}); make room on it. "
            "The same command then continues from what is finished"
        )


@contextmanager
def room_in(folder: Path, needed: int = 0) -> Iterator[None]:
    """Turn a full disk that stops the block, which writes into `folder`, into DiskFull."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each library has its own
        if not is_disk_full(error):
            raise
        raise DiskFull(folder, needed) from error


def is_disk_full(error: BaseException) -> bool:
    """Tell whether a full disk or a used-up quota lies below an error, however often it was wrapped."""
    return any(
        (isinstance(inner, OSError) and inner.errno in _NO_SPACE)
        or any(words in str(inner) for words in _NO_SPACE_WORDS)
        for inner in causes(error)
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, down to the bottom."""
    inner: BaseException | None = error
    while inner:
        yield inner
        inner = inner.__cause__ or inner.__context__


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return the allowed name that a misspelt one means, whatever its case; empty where none is near enough."""
    by_lowered = {candidate.lower(): candidate for candidate in allowed}
    # below 0.6 a guess misleads more than it helps: "nosuch" is not "noisy", nor "labels" "secondary_labels"
    near = difflib.get_close_matches(name.lower(), by_lowered, n=1, cutoff=0.6)
    return by_lowered[near[0]] if near else ""
