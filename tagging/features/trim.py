"""Trimming of silence, and the least length of a clip."""

from __future__ import annotations

import numpy as np

_FRAME = 2048
_HOP = 512  # a quarter of the frame: a frame's energy is that of 4 blocks
_LEAST_POWER = 1e-10


def sounding_span(samples: np.ndarray, trim_db: float) -> tuple[int, int]:
    """Return (start, end) in samples: the span outside of which a clip is silent.

    Silent is a frame of 2048 samples (hop 512, centred, reflect-padded) whose mean power lies `trim_db`
    dB or more below that of the loudest frame. Equals librosa.effects.trim with reflect padding; a clip of
    zeros is not trimmed. `samples` [samples] float32, not empty.
    """
    padded = np.pad(samples, _FRAME // 2, mode="reflect")
    blocks = len(padded) // _HOP
    energy = np.square(padded[: blocks * _HOP], dtype=np.float64).reshape(blocks, _HOP).sum(axis=1)
    per_frame = _FRAME // _HOP
    power = sum(energy[k : blocks - per_frame + 1 + k] for k in range(per_frame)) / _FRAME
    level = 10 * np.log10(np.maximum(_LEAST_POWER, power))
    sounding = np.flatnonzero(level > level.max() - trim_db)
    return int(sounding[0]) * _HOP, min(len(samples), (int(sounding[-1]) + 1) * _HOP)


def fit_least_length(samples: np.ndarray, start: int, end: int, least: int) -> np.ndarray:
    """Return samples[start:end], or `least` samples around its centre where it is shorter than that.

    These are taken from the whole clip, and padded with zeros on both sides where it holds too few of them.
    """
    if end - start >= least:
        return samples[start:end]
    centre, half = (start + end) // 2, least // 2
    piece = samples[max(0, centre - half) : centre + half]
    missing = least - len(piece)
    return np.pad(piece, (missing // 2, missing - missing // 2))
