"""Files to trimmed waveforms on all cores, in order and only a few files ahead."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from tagging.errors import UnreadableSound, UserError
from tagging.features.settings import LogMelSettings
from tagging.features.trim import trim_waveform

T = TypeVar("T")


# from a file and a rate in Hz to mono samples [n] float32, not empty, and warnings to be recorded; or UnreadableSound
Decode = Callable[[Path, int], tuple[np.ndarray, tuple[str, ...]]]


@dataclass(frozen=True)
class TrimmedSound:
    """One file: its trimmed waveform, or the reason why there is none; `content` is the sha256 in hex."""

    content: str
    samples: np.ndarray | None
    notes: tuple[str, ...] = ()
    error: str | None = None


def read_ahead(files: Sequence[Path], settings: LogMelSettings, decode: Decode, ahead: int) -> Iterator[TrimmedSound]:
    """Yield every file's sound in order, decoded by a pool of threads that is `ahead` files in front.

    Raises UserError where a file's bytes cannot be read at all.
    """
    yield from ahead_of(lambda path: _read(path, settings, decode), files, ahead)


def ahead_of(read: Callable[[Path], T], files: Iterable[Path], ahead: int) -> Iterator[T]:
    """Yield what `read` makes of each file, in order, by a pool of threads that is `ahead` files in front."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for path in files:
                waiting.append(pool.submit(read, path))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _read(path: Path, settings: LogMelSettings, decode: Decode) -> TrimmedSound:
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        # the disk's fault, not the sound's: recorded, it would outlive its repair
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        samples, notes = decode(path, settings.sample_rate)
    except UnreadableSound as error:
        return TrimmedSound(content, None, error=error.reason)
    return TrimmedSound(content, trim_waveform(samples, settings), notes)
