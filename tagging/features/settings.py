"""The settings of log-mels, and the mel filterbank that they name. No torch: a feature store is found without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# part of every feature store's key: raise it whenever the numbers change
FEATURE_VERSION = 2

# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1000 Hz, logarithmic above
_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


@dataclass(frozen=True)
class LogMelSettings:
    """How a log-mel is computed: Hz, samples, seconds and dB."""

    sample_rate: int = 44100
    n_fft: int = 2560
    hop: int = 690
    n_mels: int = 128
    fmin: float = 20.0
    fmax: float = 22050.0
    min_seconds: float = 0.5
    trim_db: float = 60.0
    range_db: float = 80.0


@dataclass(frozen=True)
class FrontEnd:
    """How log-mels are computed, and the type they are kept in: networks with equal front ends share a table."""

    settings: LogMelSettings
    precision: str = "float32"


def mel_filterbank(settings: LogMelSettings) -> np.ndarray:
    """Return Slaney's triangular filters [n_fft // 2 + 1, n_mels] float64, each of area 1 over Hz.

    The triangles' corners lie at equal distances in mel between `fmin` and `fmax`. Equals
    librosa.filters.mel(htk=False, norm="slaney"), transposed.
    """
    frequencies = np.linspace(0, settings.sample_rate / 2, settings.n_fft // 2 + 1)[:, None]
    corners = mel_corners(settings)
    lower, centre, upper = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies - lower) / (centre - lower)
    falling = (upper - frequencies) / (upper - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (upper - lower))


def mel_corners(settings: LogMelSettings) -> np.ndarray:
    """Return the corners of the triangles [n_mels + 2] in Hz: band b begins at corner b and ends at corner b + 2."""
    mel = np.linspace(_to_mel(settings.fmin), _to_mel(settings.fmax), settings.n_mels + 2)
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, logarithmic)


def _to_mel(hertz: float) -> float:
    if hertz < _BREAK_HZ:
        return hertz / _HZ_PER_MEL
    return _BREAK_MEL + float(np.log(hertz / _BREAK_HZ)) / _LOG_STEP
