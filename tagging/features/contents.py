"""What the log-mels of a store show: mel bands without information, clips of the same sound. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tagging.features.settings import LogMelSettings, mel_corners, mel_filterbank
from tagging.features.store import FeatureStore

_CLIPS = 64  # looked at for empty bands, spread over the store
_HARDLY = 0.1  # of the frames
_MANY = 0.1  # of the bands: fewer at the floor are what an MP3's encoder cuts off
_CLOSE_DB = 0.07  # a unit of float16 between 64 and 128 dB: as far as rounding parts log-mels of the same sound
_LOOKED_AT = 8  # frames a clip, spread over it; only clips that agree there are compared in full
_NEIGHBOURS = 8  # in the order of their mean; those of the same sound stand side by side


def warn_of_bands(store: FeatureStore, settings: LogMelSettings) -> list[str]:
    """Warn of mel bands that are empty for the length of the FFT, and of others in which the sound holds nothing."""
    bins = mel_filterbank(settings)
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
        lowest = mel_corners(settings)[np.argmax(floored)]
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


def same_sound(store: FeatureStore) -> np.ndarray:
    """Return for each clip [N] int64 the first clip of the same sound, itself where there is no other.

    The same are files of equal bytes, and files whose log-mels agree within 0.07 dB in every frame and band, as those
    of the same samples in WAV and FLAC do. A clip that is silent throughout, or cannot be decoded, is the same as
    equal bytes alone.
    """
    first: dict[str, int] = {}
    same = np.array([first.setdefault(digest, row) for row, digest in enumerate(store.content)], np.int64)
    if not store.lengths.any():
        return same
    frames = store.frames
    starts = np.cumsum(store.lengths) - store.lengths
    distinct = np.unique(same)
    for length in np.unique(store.lengths[store.lengths > 0]):
        rows = distinct[store.lengths[distinct] == length]
        for one, other in _pairs(frames, starts[rows], int(length)):
            roots = _root(same, rows[one]), _root(same, rows[other])
            if roots[0] == roots[1]:
                continue
            first_clip, other_clip = (frames[starts[rows[each]] :][:length].astype(np.float32) for each in (one, other))
            if np.abs(first_clip - other_clip).max() <= _CLOSE_DB:
                same[max(roots)] = min(roots)
    return np.array([_root(same, row) for row in range(len(same))], np.int64)


def _pairs(frames: np.ndarray, starts: np.ndarray, length: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs of clips of one length, by their positions in `starts`, that agree where they are looked at."""
    places = np.linspace(0, length - 1, min(length, _LOOKED_AT)).astype(np.int64)
    samples = np.stack([frames[starts + place] for place in places], axis=1).astype(np.float32)
    sounding = np.flatnonzero(np.ptp(samples, axis=(1, 2)) > _CLOSE_DB)
    means = samples.mean(axis=(1, 2))
    order = sounding[np.argsort(means[sounding], kind="stable")]
    for step in range(1, min(_NEIGHBOURS + 1, len(order))):
        one, other = order[:-step], order[step:]
        near = means[other] - means[one] <= _CLOSE_DB
        one, other = one[near], other[near]
        agree = np.abs(samples[one] - samples[other]).max(axis=(1, 2), initial=0) <= _CLOSE_DB
        yield from zip(one[agree].tolist(), other[agree].tolist(), strict=True)


def _root(same: np.ndarray, row: int) -> int:
    """Return the first clip of the sound of a row, by going from each clip to an earlier one that is the same."""
    while same[row] != row:
        row = same[row] = same[same[row]]
    return int(row)
