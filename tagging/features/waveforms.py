"""Waveforms before they become log-mels: files read ahead, in blocks so that length costs no memory, trimmed."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from tagging.errors import UnreadableSound, UserError
from tagging.features.settings import LogMelSettings

T = TypeVar("T")
# from a file and a rate in Hz to mono samples [n] float32, not empty, and warnings to be recorded; or UnreadableSound
Decode = Callable[[Path, int], tuple[np.ndarray, tuple[str, ...]]]
# a waveform [samples] float32 in pieces of any length, empty ones too
Blocks = Iterable[np.ndarray]

SIZE = 2**20  # samples of a block: 4 MB
_FRAME = 2048
_HOP = 512  # a quarter of the frame: a frame's energy is the sum of 4 hops'
_LEAST_POWER = 1e-10


@dataclass(frozen=True)
class TrimmedSound:
    """One file: its trimmed waveform, or the reason why there is none; `content` is the sha256 in hex."""

    content: str
    samples: np.ndarray | None
    notes: tuple[str, ...] = ()
    error: str | None = None


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


def read_trimmed(path: Path, settings: LogMelSettings, decode: Decode) -> TrimmedSound:
    """Decode and trim a file; raises UserError where its bytes cannot be read at all."""
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


def trim_waveform(samples: np.ndarray, settings: LogMelSettings) -> np.ndarray:
    """Cut silence off both ends of a waveform [samples] float32, down to min_seconds at the least."""
    whole = [samples[first : first + SIZE] for first in range(0, len(samples), SIZE)]
    blocks = list(trim_blocks(whole, settings))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)  # a short clip is not copied


def trim_blocks(waveform: Blocks, settings: LogMelSettings) -> Iterator[np.ndarray]:
    """Yield what `trim_waveform` leaves of a waveform in blocks, through which it goes twice."""
    start, end = sounding_span(waveform, settings.trim_db)
    yield from fit_least_length(waveform, start, end, int(settings.min_seconds * settings.sample_rate))


def sounding_span(waveform: Blocks, trim_db: float) -> tuple[int, int]:
    """Return (start, end) in samples: the span outside of which a waveform, not empty, is silent.

    Silent is a frame of 2048 samples (hop 512, centred, reflect-padded) whose mean power lies `trim_db`
    dB or more below that of the loudest frame. Equals librosa.effects.trim with reflect padding; a clip of
    zeros is not trimmed.
    """
    length, rest = -_FRAME, np.empty(0, np.float32)
    energies = []
    for padded in reflected(waveform, _FRAME // 2):
        length += len(padded)
        rest = np.concatenate([rest, padded])
        whole = len(rest) // _HOP * _HOP
        energies.append(np.square(rest[:whole], dtype=np.float64).reshape(-1, _HOP).sum(axis=1))
        rest = rest[whole:]
    energy = np.concatenate(energies)
    per_frame = _FRAME // _HOP
    power = sum(energy[k : len(energy) - per_frame + 1 + k] for k in range(per_frame)) / _FRAME
    level = 10 * np.log10(np.maximum(_LEAST_POWER, power))
    sounding = np.flatnonzero(level > level.max() - trim_db)
    return int(sounding[0]) * _HOP, min(length, (int(sounding[-1]) + 1) * _HOP)


def fit_least_length(waveform: Blocks, start: int, end: int, least: int) -> Iterator[np.ndarray]:
    """Yield samples `start` to `end` in blocks, or `least` samples around their centre where they are fewer than that.

    These are taken from the whole waveform, and padded with zeros on both sides where it holds too few of them.
    """
    if end - start >= least:
        yield from cut(waveform, start, end)
        return
    centre, half = (start + end) // 2, least // 2
    piece = np.concatenate(list(cut(waveform, max(0, centre - half), centre + half)))
    missing = least - len(piece)
    yield np.pad(piece, (missing // 2, missing - missing // 2))


def reflected(blocks: Blocks, half: int) -> Iterator[np.ndarray]:
    """Yield a waveform, not empty, with `half` samples more at each end, as np.pad(mode="reflect") makes them."""
    rest = iter(blocks)
    head = _more_than(half, rest)
    if len(head) <= half:  # padding of padding: the waveform is short enough to be held
        yield np.pad(head, half, mode="reflect")
        return
    yield head[half:0:-1]
    yield head
    tail = head[-half - 1 :]
    for block in rest:
        yield block
        tail = (block if len(block) > half else np.concatenate([tail, block]))[-half - 1 :]
    yield tail[-2::-1]


def cut(blocks: Blocks, start: int, end: int) -> Iterator[np.ndarray]:
    """Yield samples `start` to `end` of a waveform, and look no further."""
    position = 0
    for block in blocks:
        yield block[max(0, start - position) : max(0, end - position)]
        position += len(block)
        if position >= end:
            return


def _more_than(length: int, blocks: Iterator[np.ndarray]) -> np.ndarray:
    """Take blocks until they hold more samples than that, or there are no more, and return them as one."""
    taken = [np.empty(0, np.float32)]
    while sum(map(len, taken)) <= length and (block := next(blocks, None)) is not None:
        taken.append(block)
    return np.concatenate(taken)
