"""Mel bands without information: no frequency of the FFT falls into them, or the sound holds nothing there."""

from __future__ import annotations

import numpy as np

from tagging.features.mel import mel_corners, mel_filterbank
from tagging.features.settings import LogMelSettings
from tagging.features.store import FeatureStore

_CLIPS = 64  # looked at, spread over the store
_HARDLY = 0.1  # of the frames
_MANY = 0.1  # of the bands: fewer at the floor are what an MP3's encoder cuts off


def warn_of_bands(store: FeatureStore, settings: LogMelSettings) -> list[str]:
    """Warn of mel bands that are empty for the length of the FFT, and of others in which the sound holds nothing."""
    bins = mel_filterbank(settings.sample_rate, settings.n_fft, settings.n_mels, settings.fmin, settings.fmax)
    empty = ~bins.any(axis=0)
    lines = []
    if empty.any():
        lines.append(
            f"{empty.sum()} of {settings.n_mels} mel bands are empty: with features.n_fft = {settings.n_fft} no "
            "frequency falls into them; raise features.n_fft, or lower features.n_mels"
        )
    floored, clips = bands_at_floor(store)
    floored &= ~empty
    if floored.sum() > _MANY * settings.n_mels:
        lowest = mel_corners(settings.n_mels, settings.fmin, settings.fmax)[np.argmax(floored)]
        lines.append(
            f"{floored.sum()} of {settings.n_mels} mel bands are at the floor, the lowest from {lowest:.0f} Hz on: the "
            f"sound has almost no energy there ({clips} clips looked at); lower features.fmax"
        )
    return lines


def bands_at_floor(store: FeatureStore) -> tuple[np.ndarray, int]:
    """Return which bands [M] hardly ever rise above the minimum of a clip, and how many clips were looked at.

    Hardly ever is in less than a tenth of all frames, as at the two ends of a clip, where a cut makes a click.
    """
    sounding = np.flatnonzero(store.lengths)
    if not len(sounding):
        return np.zeros(store.n_mels, bool), 0
    rows = sounding[np.linspace(0, len(sounding) - 1, min(len(sounding), _CLIPS)).astype(np.int64)]
    frames, ends = store.frames, np.cumsum(store.lengths)
    risen = [(frames[ends[row] - store.lengths[row] : ends[row]] > store.minima[row]).sum(axis=0) for row in rows]
    return np.sum(risen, axis=0) < _HARDLY * store.lengths[rows].sum(), len(rows)
