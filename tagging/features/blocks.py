"""Waveforms that come in blocks, so that the length of a recording costs no memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

# a waveform [samples] float32 in pieces of any length, empty ones too
Blocks = Iterable[np.ndarray]

SIZE = 2**20  # samples of a block: 4 MB


def in_blocks(samples: np.ndarray) -> list[np.ndarray]:
    """Return a waveform as blocks, without copying it."""
    return [samples[first : first + SIZE] for first in range(0, len(samples), SIZE)]


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
