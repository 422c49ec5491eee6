"""The mel filterbank."""

from __future__ import annotations

import numpy as np

# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1000 Hz, logarithmic above
_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def mel_filterbank(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Return Slaney's triangular filters [n_fft // 2 + 1, n_mels] float64, each of area 1 over Hz.

    The triangles' corners lie at equal distances in mel between `fmin` and `fmax` (Hz). Equals
    librosa.filters.mel(htk=False, norm="slaney"), transposed.
    """
    frequencies = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)[:, None]
    corners = mel_corners(n_mels, fmin, fmax)
    lower, centre, upper = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies - lower) / (centre - lower)
    falling = (upper - frequencies) / (upper - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (upper - lower))


def mel_corners(n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Return the corners of the triangles [n_mels + 2] in Hz: band b begins at corner b and ends at corner b + 2."""
    return _to_hz(np.linspace(_to_mel(fmin), _to_mel(fmax), n_mels + 2))


def _to_mel(hertz: float) -> float:
    if hertz < _BREAK_HZ:
        return hertz / _HZ_PER_MEL
    return _BREAK_MEL + float(np.log(hertz / _BREAK_HZ)) / _LOG_STEP


def _to_hz(mel: np.ndarray) -> np.ndarray:
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, logarithmic)
