"""Trimming of silence, and the least length of a clip."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tagging.features.blocks import Blocks, cut, in_blocks, reflected
from tagging.features.settings import LogMelSettings

_FRAME = 2048
_HOP = 512  # a quarter of the frame: a frame's energy is the sum of 4 hops'
_LEAST_POWER = 1e-10


def trim_waveform(samples: np.ndarray, settings: LogMelSettings) -> np.ndarray:
    """Cut silence off both ends of a waveform [samples] float32, down to min_seconds at the least."""
    blocks = list(trim_blocks(in_blocks(samples), settings))
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
