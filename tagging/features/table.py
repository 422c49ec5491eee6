"""The table of log-mels, all clips of a data set one after another along time, and windows cut out of it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from tagging.errors import room_in
from tagging.features.in_cache import pieces, transposed

IN_MEMORY = 2**25  # bytes of a spool; what is more goes to a temporary file, which vanishes with the process
_AT_ONCE = 2**14  # frames that are read or floored at once in a file


class StoredFrames:
    """Frames [total, M] in an open file, with the part of a CPU tensor's methods that `LogMels` needs.

    Memory holds no more frames than are asked for.
    """

    device = torch.device("cpu")

    def __init__(self, file: IO[bytes], n_mels: int, dtype: np.dtype) -> None:
        self._file = file
        self._row = n_mels * dtype.itemsize
        self._total = 0
        self.n_mels, self.dtype = n_mels, dtype

    @property
    def shape(self) -> tuple[int, int]:
        """The number of frames and of mel bands."""
        return self._total, self.n_mels

    @property
    def nbytes(self) -> int:
        """The size of all frames."""
        return self._total * self._row

    def __getitem__(self, span: slice) -> Tensor:
        """Return neighbouring frames."""
        start, stop, _ = span.indices(self._total)
        self._file.seek(start * self._row)
        found = np.frombuffer(bytearray(self._file.read((stop - start) * self._row)), self.dtype)
        return torch.from_numpy(found).view(-1, self.n_mels)

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """Return frames by their numbers; all from the first to the last of them are read."""
        first = int(rows.min())
        return self[first : int(rows.max()) + 1].index_select(dim, rows - first)

    def to(self, device: torch.device | str) -> Tensor:
        """Return all frames on a device."""
        frames = torch.empty(self.shape, dtype=self[:0].dtype, device=device)
        for start in range(0, self._total, _AT_ONCE):
            frames[start : start + _AT_ONCE] = self[start : start + _AT_ONCE]
        return frames

    def write(self, start: int, frames: Tensor) -> None:
        """Write frames [n, M] at a place."""
        self._file.seek(start * self._row)
        self._file.write(frames.cpu().numpy().astype(self.dtype).tobytes())
        self._total = max(self._total, start + len(frames))


@dataclass(frozen=True)
class LogMels:
    """The log-mels of N clips as one array.

    `frames` [total, M] dB, float16 or float32; clip i is rows offsets[i] to offsets[i] + lengths[i].
    `offsets` and `lengths` [N] int64 frames; `minima` [N] float32 dB, of the values as stored (0 where
    a clip has no frames). All four lie on one device; `frames` may be a read-only memory map, or lie in a file.
    """

    frames: Tensor | StoredFrames
    offsets: Tensor
    lengths: Tensor
    minima: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def n_mels(self) -> int:
        """The number of mel bands M."""
        return self.frames.shape[1]

    def to(self, device: torch.device | str) -> LogMels:
        """Return the table on `device`."""
        return LogMels(self.frames.to(device), self.offsets.to(device), self.lengths.to(device), self.minima.to(device))

    def placed(self, device: torch.device) -> LogMels:
        """Return the table on `device` where it fits into half of the memory that is free there, else as it is."""
        if device.type == "cuda" and self.frames.nbytes < 0.5 * torch.cuda.mem_get_info(device)[0]:
            return self.to(device)
        return self

    def clip(self, index: int) -> Tensor:
        """Return clip `index` as a view [T, M] of the table."""
        start = int(self.offsets[index])
        return self.frames[start : start + int(self.lengths[index])]

    @classmethod
    def mapped(cls, frames: np.ndarray, lengths: np.ndarray, minima: np.ndarray) -> LogMels:
        """Return a table of `frames` that are mapped, read-only, of `lengths` [N] int64 and `minima` [N] float32 dB."""
        counted = torch.from_numpy(lengths)
        with warnings.catch_warnings():
            # torch has no read-only tensors and warns; nothing writes to the table
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return cls(torch.from_numpy(frames), counted.cumsum(0) - counted, counted, torch.from_numpy(minima))


class Spool:
    """Collects clips of log-mels, `n_mels` bands in float32 or float16 (`dtype`), on the disk where they are large."""

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


def cut_windows(logmels: LogMels, clips: Tensor, starts: Tensor, size: int, wrap: Tensor | None = None) -> Tensor:
    """Cut one window of `size` frames out of each of B clips.

    `clips` [B] int64 indices and `starts` [B] int64 frames; frame k of a window is frame starts + k of
    its clip, so that a negative start is padding on the left. Outside the clip stands the clip's minimum,
    or, where `wrap` [B] bool is set, its periodic continuation. Returns [B, M, size] float32 dB on the
    device of `clips`, also where the table is too large for it and stays on the CPU. The clips must not
    be empty.
    """
    device, home = clips.device, logmels.frames.device
    clips, starts = clips.to(home), starts.to(home)
    position = starts[:, None] + torch.arange(size, device=starts.device)
    length = logmels.lengths[clips][:, None]
    inside = (position >= 0) & (position < length)
    row = position.clamp(min=0).minimum(length - 1)
    if wrap is not None:
        wrap = wrap.to(home)
        row = torch.where(wrap[:, None], position % length, row)
        inside |= wrap[:, None]
    row += logmels.offsets[clips][:, None]
    minima = logmels.minima[clips][:, None, None]
    windows = torch.empty(len(clips), logmels.n_mels, size, device=home)
    for rows, minimum, weight, out in pieces(row, minima, inside[:, None, :].float(), windows):
        frames = logmels.frames.index_select(0, rows.flatten()).float().view(*rows.shape, logmels.n_mels)
        # a weight of 0 or 1 picks exactly, and unlike torch.where a CPU does it by SIMD
        torch.lerp(minimum, transposed(frames), weight, out=out)
    return windows.to(device)


def centre_starts(lengths: Tensor, size: int) -> Tensor:
    """Return the start [B] of the centred window of clips of `lengths` [B] int64 frames.

    A clip shorter than `size` has (size - T) // 2 frames of padding on its left: a negative start.
    """
    left = (size - lengths).div(2, rounding_mode="floor")
    return torch.where(lengths < size, -left, (lengths - size).div(2, rounding_mode="floor"))
