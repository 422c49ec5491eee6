"""The settings of log-mels. Imports no torch, so that a feature store is found without it."""

from __future__ import annotations

from dataclasses import dataclass

# part of every feature store's key: raise it whenever the numbers change
FEATURE_VERSION = 2


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
