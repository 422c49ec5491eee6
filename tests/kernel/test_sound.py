from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.data import audio
from tagging.data.audio import read_sound
from tagging.features.logmel import LogMel, trim_waveform
from tagging.kernel.sound import Listing, Look, list_clips, read_sounds
from tests.kernel.parts import CLASSES, RATE, SETTINGS, write_sound

UNREAD = Path("/sys/class/net/lo/speed")  # a regular file of 4,096 bytes; reading it fails, for root too
OTHER = replace(SETTINGS, n_mels=16, trim_db=40.0)
SLOWER = replace(SETTINGS, sample_rate=RATE // 2, fmax=RATE / 4)


def test_each_file_is_decoded_once_for_all_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_sound(tmp_path / "sound", 5)
    decoded: list[Path] = []
    seen: list[tuple[int, int]] = []
    decode = audio._decode

    def counted(path: Path) -> tuple[np.ndarray, int]:
        decoded.append(path)
        return decode(path)

    monkeypatch.setattr(audio, "_decode", counted)
    looks = [Look(SETTINGS, "float32"), Look(OTHER, "float16"), Look(SLOWER, "float32")]
    found = read_sounds(paths, looks, lambda done, total: seen.append((done, total)))
    assert sorted(decoded) == paths
    assert seen == [(5, 5)]
    for look in looks:
        table = found.tables[look]
        for row, path in enumerate(paths):
            heard = read_sound(path, look.settings.sample_rate).samples
            (expected,) = LogMel(look.settings, "cpu")([trim_waveform(heard, look.settings)])
            stored = expected.to(getattr(torch, look.store))
            assert torch.allclose(table.clip(row), stored, atol=1e-4)
            assert table.frames.dtype == stored.dtype


@pytest.mark.skipif(not UNREAD.exists(), reason="no file here whose bytes the system refuses to give")
def test_files_that_cannot_be_read_are_told_and_left_out(tmp_path: Path) -> None:
    paths = write_sound(tmp_path / "sound", 3)
    paths[1].write_text("no sound")
    paths.append(tmp_path / "sound" / "none.wav")
    paths.append(tmp_path / "sound" / "unread.wav")
    paths[4].symlink_to(UNREAD)
    found = read_sounds(paths, [Look(SETTINGS, "float32")], lambda done, total: None)
    assert found.readable.tolist() == [True, False, True, False, False]
    assert len(found.tables[Look(SETTINGS, "float32")]) == 2
    assert found.problems == [
        f"{paths[1]}: cannot be decoded as sound (Format not recognised)",
        f"{paths[3]}: there is no such file",
        f"{paths[4]}: cannot be read (Invalid argument)",
    ]


def test_clips_come_in_the_order_of_the_sample_with_its_columns(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound", 3)
    (tmp_path / "sample.csv").write_text("fname,Moo,Bark,Meow\n2.wav,0,0,0\n0.wav,0,0,0\n")
    listing = list_clips(tmp_path / "sound", tmp_path / "sample.csv", CLASSES)
    assert listing == Listing(
        ["2.wav", "0.wav"], [tmp_path / "sound" / "2.wav", tmp_path / "sound" / "0.wav"], ("Moo", "Bark", "Meow")
    )
