"""Log-mel, trimming and deltas of one clip by librosa, in float64."""

from __future__ import annotations

import librosa
import numpy as np

from tagging.features.settings import LogMelSettings


def trim_span(samples: np.ndarray, trim_db: float) -> tuple[int, int]:
    """librosa.effects.trim's (start, end), with its frames padded by reflection."""
    rms = librosa.feature.rms(y=samples, frame_length=2048, hop_length=512, pad_mode="reflect")[0]
    decibels = librosa.amplitude_to_db(rms, ref=np.max, top_db=None)
    sounding = np.flatnonzero(decibels > -trim_db)
    start, end = librosa.frames_to_samples([sounding[0], sounding[-1] + 1], hop_length=512)
    return int(start), min(len(samples), int(end))


def trimmed(samples: np.ndarray, settings: LogMelSettings) -> np.ndarray:
    start, end = trim_span(samples, settings.trim_db)
    least = int(settings.min_seconds * settings.sample_rate)
    if end - start < least:
        centre = (start + end) // 2
        samples = samples[max(0, centre - least // 2) : min(len(samples), centre + least // 2)]
        if len(samples) < least:
            padding = least - len(samples)
            samples = np.pad(samples, (padding // 2, padding - padding // 2))
        return samples
    return samples[start:end]


def logmel(samples: np.ndarray, settings: LogMelSettings) -> np.ndarray:
    """The log-mel [T, M] dB."""
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=settings.sample_rate,
        n_fft=settings.n_fft,
        hop_length=settings.hop,
        n_mels=settings.n_mels,
        fmin=settings.fmin,
        fmax=settings.fmax,
        pad_mode="reflect",
    )
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=settings.range_db).T


def stacked_deltas(view: np.ndarray) -> np.ndarray:
    """The network input [3, M, T] of one view [M, T]."""
    view = view.astype(np.float64)
    return np.stack([view, librosa.feature.delta(view), librosa.feature.delta(view, order=2)]) / 100
