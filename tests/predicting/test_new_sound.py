from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tagging.data.audio import SoundFile, read_sound
from tagging.features.logmel import LogMel
from tagging.features.settings import FrontEnd
from tagging.features.waveforms import trim_waveform
from tagging.predicting.new_sound import Listing, list_clips, read_sounds
from tests.kernel.parts import CLASSES, RATE, SETTINGS, write_sound

UNREAD = Path("/sys/class/net/lo/speed")  # a regular file of 4,096 bytes; reading it fails, for root too
OTHER = replace(SETTINGS, n_mels=16, trim_db=40.0)
SLOWER = replace(SETTINGS, sample_rate=RATE // 2, fmax=RATE / 4)


def test_each_file_is_decoded_once_for_all_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_sound(tmp_path / "sound", 5)
    decoded: list[Path] = []
    seen: list[tuple[int, int]] = []
    mono = SoundFile.mono

    def counted(file: SoundFile) -> Iterator[np.ndarray]:
        decoded.append(file.path)
        return mono(file)

    monkeypatch.setattr(SoundFile, "mono", counted)
    front_ends = [FrontEnd(SETTINGS, "float32"), FrontEnd(OTHER, "float16"), FrontEnd(SLOWER, "float32")]
    found = read_sounds(paths, front_ends, lambda done, total: seen.append((done, total)))
    assert sorted(decoded) == paths
    assert seen == [(1, 8), (2, 8), (4, 8), (6, 8), (8, 8)]
    for front_end in front_ends:
        table = found.tables[front_end]
        for row, path in enumerate(paths):
            heard = read_sound(path, front_end.settings.sample_rate).samples
            (expected,) = LogMel(front_end.settings)([trim_waveform(heard, front_end.settings)])
            stored = expected.to(getattr(torch, front_end.precision))
            assert torch.allclose(table.clip(row), stored, atol=1e-4)
            assert table.clip(row).dtype == stored.dtype


def test_long_files_are_heard_in_blocks_as_short_ones_are_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_sound(tmp_path / "sound", 2)
    rng = np.random.default_rng(0)
    loud = rng.normal(0, 0.1, (9 * RATE, 2)) * np.repeat([1e-6, 1, 1e-3, 1, 0, 0, 1e-2, 1e-6, 1e-6], RATE)[:, None]
    paths += [tmp_path / "sound" / name for name in ("a.flac", "b.wav", "c.wav", "d.ogg")]
    soundfile.write(paths[2], loud, 3 * RATE)
    soundfile.write(paths[3], loud[:, 0] * (np.arange(9 * RATE) // 100 == 900), RATE)  # shorter than a clip may be
    soundfile.write(paths[4], np.where(np.arange(9 * RATE) == 8 * RATE, np.nan, loud[:, 0]), RATE, subtype="FLOAT")
    soundfile.write(paths[5], loud, 2 * RATE)
    front_ends = [FrontEnd(SETTINGS, "float32"), FrontEnd(OTHER, "float16"), FrontEnd(SLOWER, "float32")]
    whole = read_sounds(paths, front_ends, lambda done, total: None)
    monkeypatch.setattr("tagging.predicting.new_sound.HELD", RATE)
    monkeypatch.setattr("tagging.data.audio.BLOCK", 5000)
    monkeypatch.setattr("tagging.features.table.IN_MEMORY", 1000)
    seen: list[tuple[int, int]] = []
    found = read_sounds(paths, front_ends, lambda done, total: seen.append((done, total)))
    assert found.readable.tolist() == whole.readable.tolist() == [True, True, True, True, False, True]
    assert found.problems == whole.problems
    assert found.problems == [f"{paths[4]}: 1 sample is not finite (NaN or infinite), the first at 8.00 s"]
    for front_end in front_ends:
        ours, theirs = found.tables[front_end], whole.tables[front_end]
        assert torch.equal(ours.lengths, theirs.lengths)
        assert torch.allclose(ours.minima, theirs.minima, atol=1e-4)
        for row in range(5):
            # float16: where a last digit of float32 lies at the border of two values
            assert (ours.clip(row).float() - theirs.clip(row).float()).abs().max() < (
                1e-4 if front_end.precision == "float32" else 0.07
            )
        assert torch.equal(ours.frames.to("cpu"), torch.cat([ours.clip(row) for row in range(5)]))
    assert seen == sorted(seen)
    assert len(seen) > 100
    assert seen[-1] == (28, 28)


@pytest.mark.skipif(not UNREAD.exists(), reason="no file here whose bytes the system refuses to give")
def test_files_that_cannot_be_read_are_told_and_left_out(tmp_path: Path) -> None:
    paths = write_sound(tmp_path / "sound", 3)
    paths[1].write_text("no sound")
    paths.append(tmp_path / "sound" / "none.wav")
    paths.append(tmp_path / "sound" / "unread.wav")
    paths[4].symlink_to(UNREAD)
    found = read_sounds(paths, [FrontEnd(SETTINGS, "float32")], lambda done, total: None)
    assert found.readable.tolist() == [True, False, True, False, False]
    assert len(found.tables[FrontEnd(SETTINGS, "float32")]) == 2
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
