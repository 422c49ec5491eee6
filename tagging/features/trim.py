"""Trimming of silence, and the least length of a clip."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tagging.features.blocks import Blocks, cut, in_blocks, reflected
from tagging.features.settings import LogMelSettings

_FRAME = 2048
_HOP = 512  # a quarter of the frame: a frame's energy is that of 4 blocks
_LEAST_POWER = 1e-10


def trim_waveform(samples: np.ndarray, settings: LogMelSettings) -> np.ndarray:
    """Cut silence off both ends of a waveform [samples] float32, down to min_seconds at the least."""
    start, end = sounding_span(samples, settings.trim_db)
    return fit_least_length(samples, start, end, _least(settings))


def trim_blocks(waveform: Blocks, settings: LogMelSettings) -> Iterator[np.ndarray]:
    """Yield, in blocks, what `trim_waveform` leaves of a waveform, which must be one that can be gone through twice."""
    start, end = span_of(waveform, settings.trim_db)
    least = _least(settings)
    if end - start >= least:
        yield from cut(waveform, start, end)
    else:
        yield _padded(np.concatenate(list(cut(waveform, *_around(start, end, least)))), least)


def sounding_span(samples: np.ndarray, trim_db: float) -> tuple[int, int]:
    """Return (start, end) in samples: the span outside of which a clip is silent.

    Silent is a frame of 2048 samples (hop 512, centred, reflect-padded) whose mean power lies `trim_db`
    dB or more below that of the loudest frame. Equals librosa.effects.trim with reflect padding; a clip of
    zeros is not trimmed. `samples` [samples] float32, not empty.
    """
    return span_of(in_blocks(samples), trim_db)


def span_of(waveform: Blocks, trim_db: float) -> tuple[int, int]:
    """Return what `sounding_span` does for a waveform in blocks."""
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


def fit_least_length(samples: np.ndarray, start: int, end: int, least: int) -> np.ndarray:
    """Return samples[start:end], or `least` samples around its centre where it is shorter than that.

    These are taken from the whole clip, and padded with zeros on both sides where it holds too few of them.
    """
    if end - start >= least:
        return samples[start:end]
    first, last = _around(start, end, least)
    return _padded(samples[first:last], least)


def _least(settings: LogMelSettings) -> int:
    return int(settings.min_seconds * settings.sample_rate)


def _around(start: int, end: int, least: int) -> tuple[int, int]:
    centre, half = (start + end) // 2, least // 2
    return max(0, centre - half), centre + half


def _padded(piece: np.ndarray, least: int) -> np.ndarray:
    missing = least - len(piece)
    return np.pad(piece, (missing // 2, missing - missing // 2))
