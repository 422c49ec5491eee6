"""The same sound under several names."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tagging.data.audio import read_sound
from tagging.features.contents import same_sound
from tagging.features.settings import LogMelSettings
from tagging.features.store import FeatureStore, open_store

RATE = 8000
SETTINGS = LogMelSettings(sample_rate=RATE, n_fft=256, hop=64, n_mels=16, fmax=RATE / 2)
NOISE = np.random.default_rng(0).normal(0, 0.1, 2 * RATE)


def store_of(folder: Path, files: Sequence[Path], precision: str = "float16") -> FeatureStore:
    return open_store(folder / "store", files, folder, SETTINGS, precision, read_sound, lambda *_: None)


def written(path: Path, samples: np.ndarray = NOISE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, RATE, subtype=subtype)
    return path


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_copies_and_other_formats_of_a_sound_are_the_same(tmp_path: Path, precision: str) -> None:
    other = np.random.default_rng(1).normal(0, 0.1, 2 * RATE)
    files = [
        written(tmp_path / "other.wav", other),
        written(tmp_path / "a.wav"),
        written(tmp_path / "a.flac"),
        written(tmp_path / "short.wav", NOISE[: RATE - 1]),
        written(tmp_path / "b.wav", subtype="PCM_24"),
        Path(shutil.copy(tmp_path / "other.wav", tmp_path / "other_again.wav")),
        written(tmp_path / "loud.wav", NOISE * 1.02),
        *(
            written(tmp_path / f"{seed}.wav", np.random.default_rng(seed).normal(0, 0.1, 2 * RATE))
            for seed in range(9, 60)
        ),
    ]
    assert same_sound(store_of(tmp_path, files, precision))[:8].tolist() == [0, 1, 1, 3, 1, 0, 6, 7]
    assert len(set(same_sound(store_of(tmp_path, files, precision)))) == len(files) - 3


def test_silent_and_broken_clips_are_the_same_by_their_bytes_alone(tmp_path: Path) -> None:
    files = [
        written(tmp_path / "a.wav", NOISE * 0),
        written(tmp_path / "b.flac", NOISE * 0),
        written(tmp_path / "c.wav", NOISE * 0),
        tmp_path / "d.wav",
        tmp_path / "e.wav",
    ]
    for path in files[3:]:
        path.write_text(f"no sound {path.name}")
    assert same_sound(store_of(tmp_path, files)).tolist() == [0, 1, 0, 3, 4]
