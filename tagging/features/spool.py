"""A table of log-mels that grows clip by clip, and lies on the disk where it is large."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tagging.errors import room_in
from tagging.features.table import LogMels, StoredFrames

IN_MEMORY = 2**25  # bytes; what is more goes to a temporary file, which vanishes with the process
_AT_ONCE = 2**14  # frames that are floored at once


class Spool:
    """Collects the log-mels of clips, of `n_mels` bands, as float32 or float16 (`dtype`)."""

    def __init__(self, n_mels: int, dtype: np.dtype) -> None:
        file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115, open for as long as its table is used
        self._frames = StoredFrames(file, n_mels, dtype)
        self._clips: list[tuple[int, float]] = []  # length and minimum of each
        self._total = 0
        self._written = (0, 0.0)

    def write(self, pieces: Iterable[Tensor], range_db: float) -> None:
        """Write a clip, whose log-mel [T, M] dB comes in pieces, floored at its maximum less `range_db`.

        It belongs to the table once it is kept; otherwise the next one takes its place. Raises DiskFull.
        """
        end, least, most = self._total, np.inf, -np.inf
        with room_in(Path(tempfile.gettempdir())):
            for piece in pieces:
                self._frames.write(end, piece)
                end += len(piece)
                least, most = min(least, float(piece.min())), max(most, float(piece.max()))
            floor = most - range_db
            if least < floor:
                for start in range(self._total, end, _AT_ONCE):
                    part = self._frames[start : min(start + _AT_ONCE, end)]
                    self._frames.write(start, part.clamp(min=floor))
        self._written = (end - self._total, max(least, floor))

    def keep(self) -> None:
        """Take the clip that was written last into the table."""
        self._clips.append(self._written)
        self._total += self._written[0]

    def table(self) -> LogMels:
        """Return the table of the clips so far."""
        lengths = torch.tensor([length for length, _ in self._clips], dtype=torch.int64)
        minima = np.array([minimum for _, minimum in self._clips]).astype(self._frames.dtype).astype(np.float32)
        return LogMels(self._frames, lengths.cumsum(0) - lengths, lengths, torch.from_numpy(minima))
