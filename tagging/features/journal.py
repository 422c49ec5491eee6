"""What a feature store knows about each of its clips: one line a clip, appended as the store grows."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClipRecord:
    """One clip of a feature store.

    `frames` is its length and `minimum` its lowest stored value in dB; `content` the sha256 of the file's
    bytes in hex. A clip that cannot be decoded has 0 frames and a reason in `error`.
    """

    frames: int
    minimum: float
    content: str
    notes: tuple[str, ...] = ()
    error: str | None = None


def append(path: Path, records: Sequence[ClipRecord]) -> None:
    """Append records to the journal and wait until they are on the disk."""
    lines = "".join(json.dumps(asdict(record)) + "\n" for record in records)
    append_bytes(path, lines.encode())


def append_bytes(path: Path, data: bytes) -> None:
    """Append bytes to a file and wait until they are on the disk."""
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[ClipRecord]:
    """Read the journal's whole lines; a last line torn by a kill is left out. No file is no records."""
    if not path.exists():
        return []
    whole = path.read_bytes().split(b"\n")[:-1]
    return [_parse(line) for line in whole]


def rewrite(path: Path, records: Sequence[ClipRecord]) -> None:
    """Make the journal hold these records and no others."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    append(temporary, records)
    temporary.replace(path)


def _parse(line: bytes) -> ClipRecord:
    fields = json.loads(line)
    return ClipRecord(**{**fields, "notes": tuple(fields["notes"])})
