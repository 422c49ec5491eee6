"""The files of a feature store on the disk, and its journal: one line a clip, appended as the store grows. No torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tagging.errors import UserError, room_in

DTYPES: dict[str, np.dtype] = {"float32": np.dtype("float32"), "float16": np.dtype("float16")}

Progress = Callable[[int, int], None]


class StoreFiles:
    """The files of one store: `frames` grows first, then `journal`; `done` is written at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frames = folder / "logmels.bin"  # all clips' frames one after another
        self.journal = folder / "journal.jsonl"  # a line a clip
        self.done = folder / "done.json"  # how the store was made
        self.lock = folder / "lock"  # held by the process that builds

    def complete(self) -> bool:
        """Tell whether the store is done and its frames are all there."""
        if not (self.done.exists() and self.journal.exists() and self.frames.exists()):
            return False
        return json.loads(self.done.read_text())["bytes"] == self.frames.stat().st_size


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


@contextmanager
def writing(store: StoreFiles) -> Iterator[None]:
    """Turn an OSError of the block, which writes to the store, into a UserError."""
    try:
        with room_in(store.folder):
            yield
    except OSError as error:
        raise UserError(
            f"{store.folder}: the feature store cannot be written ({error.strerror}); mend that and start the same "
            "command again. What is computed so far is kept"
        ) from error


def append_records(path: Path, records: Sequence[ClipRecord]) -> None:
    """Append records to the journal and wait until they are on the disk."""
    lines = "".join(json.dumps(asdict(record)) + "\n" for record in records)
    append_bytes(path, lines.encode())


def append_bytes(path: Path, data: bytes) -> None:
    """Append bytes to a file and wait until they are on the disk."""
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_records(path: Path) -> list[ClipRecord]:
    """Read the journal's whole lines; a last line torn by a kill is left out. No file is no records."""
    if not path.exists():
        return []
    whole = path.read_bytes().split(b"\n")[:-1]
    return [_record(line) for line in whole]


def rewrite_records(path: Path, records: Sequence[ClipRecord]) -> None:
    """Make the journal hold these records and no others."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    append_records(temporary, records)
    temporary.replace(path)


def _record(line: bytes) -> ClipRecord:
    fields = json.loads(line)
    return ClipRecord(**{**fields, "notes": tuple(fields["notes"])})
