"""The files of a feature store on the disk. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
