"""Mel bands that say nothing, and the numbers that are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tagging.data.audio import read_sound
from tagging.features.bands import warn_of_bands
from tagging.features.settings import LogMelSettings
from tagging.features.store import FeatureStore, open_store


def store_of(folder: Path, settings: LogMelSettings, rate: int, precision: str = "float16") -> FeatureStore:
    files = [folder / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(files):
        soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, rate), rate)
    return open_store(folder / "store", files, folder, settings, precision, read_sound, lambda *_: None)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_sound_of_8_khz_leaves_52_of_128_bands_at_the_floor(tmp_path: Path, precision: str) -> None:
    settings = LogMelSettings()
    assert warn_of_bands(store_of(tmp_path, settings, 8000, precision), settings) == [
        "52 of 128 mel bands are at the floor, the lowest from 4084 Hz on: the sound has almost no energy there "
        "(3 clips looked at); lower features.fmax"
    ]


def test_an_fft_of_64_points_leaves_76_of_128_bands_empty(tmp_path: Path) -> None:
    settings = LogMelSettings(n_fft=64)
    assert warn_of_bands(store_of(tmp_path, settings, 44100), settings) == [
        "76 of 128 mel bands are empty: with features.n_fft = 64 no frequency falls into them; raise features.n_fft, "
        "or lower features.n_mels"
    ]


@pytest.mark.parametrize(
    "settings", [LogMelSettings(), LogMelSettings(sample_rate=8000, n_fft=512, n_mels=64, fmax=4000)]
)
def test_sound_that_fills_all_bands_brings_no_word(tmp_path: Path, settings: LogMelSettings) -> None:
    assert warn_of_bands(store_of(tmp_path, settings, settings.sample_rate), settings) == []
