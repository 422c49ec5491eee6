"""Errors that the user can mend: each says what was given, what is allowed and what to do."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """Something the user gave cannot be used.

    `problems` holds one line a problem, all that were found at once. The command line prints them
    without a traceback and exits with 2.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnreadableSound(UserError):
    """One sound file cannot be decoded in full; `reason` is the message without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
