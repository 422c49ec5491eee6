"""The files of a feature store on the disk. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.errors import UserError, room_in

DTYPES: dict[str, np.dtype] = {"float32": np.dtype("float32"), "float16": np.dtype("float16")}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StoreFiles:
    """The files of one store: `frames` grows first, then `journal`; `done` is written at the end."""

    folder: Path

    @property
    def frames(self) -> Path:
        """All clips' frames one after another."""
        return self.folder / "logmels.bin"

    @property
    def journal(self) -> Path:
        """One line a clip."""
        return self.folder / "journal.jsonl"

    @property
    def done(self) -> Path:
        """What the store was made with; it exists when the store is complete."""
        return self.folder / "done.json"

    @property
    def lock(self) -> Path:
        """Held by the process that builds."""
        return self.folder / "lock"

    def complete(self) -> bool:
        """Tell whether the store is done and its frames are all there."""
        if not (self.done.exists() and self.journal.exists() and self.frames.exists()):
            return False
        return json.loads(self.done.read_text())["bytes"] == self.frames.stat().st_size


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
