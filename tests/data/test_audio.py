"""Sound files are decoded as they are, and what is no sound is named."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tagging.data.audio import SoundFile, announced_seconds, read_sound
from tagging.errors import UnreadableSound
from tagging.features.logmel import LogMel
from tagging.features.settings import LogMelSettings

RATE = 8000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def reason_of(path: Path) -> str:
    with pytest.raises(UnreadableSound) as caught:
        read_sound(path, RATE)
    assert caught.value.path == path
    assert caught.value.problems == (f"{path}: {caught.value.reason}",)
    return caught.value.reason


def written(path: Path, samples: np.ndarray = TONE, rate: int = RATE, **options: str) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def test_several_rates_of_a_file_are_those_that_are_read_one_by_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav")
    together = SoundFile(path).read((RATE, RATE // 2))
    for rate, sound in together.items():
        alone = read_sound(path, rate)
        assert (sound.samples == alone.samples).all()
        assert sound.notes == alone.notes
    assert len(together[RATE // 2].samples) == RATE // 2


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a.wav", 1e-4),
        ("a.flac", 1e-4),
        ("a.aiff", 1e-4),
        ("a.au", 1e-4),
        ("a.caf", 1e-4),
        ("a.ogg", 0.05),
        ("a.mp3", 0.1),
    ],
)
def test_formats_of_libsndfile_are_read(tmp_path: Path, name: str, error: float) -> None:
    sound = read_sound(written(tmp_path / name), RATE)
    assert (sound.samples.dtype, sound.samples.shape, sound.notes) == (np.float32, (RATE,), ())
    assert np.abs(sound.samples - TONE).max() < error


def test_a_codec_in_which_libsndfile_cannot_seek(tmp_path: Path) -> None:
    path = written(tmp_path / "a.au", subtype="G721_32")  # it comes in blocks of 120 samples
    with soundfile.SoundFile(path) as file:
        assert not file.seekable()
    assert len(read_sound(path, RATE).samples) == 8040


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", np.stack([TONE, np.zeros_like(TONE)], axis=1), subtype="FLOAT")
    sound = read_sound(path, RATE)
    assert np.abs(sound.samples - TONE / 2).max() < 1e-7
    assert sound.notes == ("2 channels averaged",)


def test_another_rate_is_resampled(tmp_path: Path) -> None:
    time = np.arange(48000) / 48000
    sound = read_sound(written(tmp_path / "a.flac", 0.5 * np.sin(2 * np.pi * 440 * time), 48000), RATE)
    assert sound.samples.shape == (RATE,)
    assert np.abs(sound.samples - TONE)[100:-100].max() < 1e-3
    assert sound.notes == ("resampled from 48000 Hz",)


def test_silent_and_short_sound_is_noted(tmp_path: Path) -> None:
    sound = read_sound(written(tmp_path / "a.wav", TONE[: int(0.31 * RATE)] * 1e-4, subtype="FLOAT"), RATE)
    assert sound.notes == ("silent", "shorter than 0.5 s")
    opposite = np.stack([TONE, -TONE], axis=1)
    assert read_sound(written(tmp_path / "b.wav", opposite), RATE).notes == ("2 channels averaged", "silent")


def test_what_is_no_sound(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "no.wav") == "there is no such file"
    path = tmp_path / "text.wav"
    path.write_text("this is a text\n" * 20)
    assert reason_of(path) == "cannot be decoded as sound (Format not recognised)"
    path.write_bytes(b"")
    assert reason_of(path) == "the file is empty (0 bytes)"
    raw = tmp_path / "a.raw"
    raw.write_bytes(b"\1\2" * 100)
    assert reason_of(raw) == "raw sound has no header; save it as WAV or FLAC"


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.ogg"])
def test_no_sample(tmp_path: Path, name: str) -> None:
    assert reason_of(written(tmp_path / name, TONE[:0])) == "holds no sample of sound"


def test_too_short_for_one_sample_at_the_new_rate(tmp_path: Path) -> None:
    assert reason_of(written(tmp_path / "a.wav", TONE[:1], 192000)) == "holds no sample of sound"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.ogg", {"subtype": "OPUS"}),
        ("a.mp3", {}),
        ("a.au", {"subtype": "G721_32"}),
        ("a.wav", {"subtype": "MS_ADPCM"}),
    ],
)
def test_blocks_are_the_file_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict
) -> None:
    channels = 1 if options.get("subtype") == "G721_32" else 2
    samples = np.random.default_rng(0).normal(0, 0.1, (5 * RATE, channels)).astype(np.float32)
    path = written(tmp_path / name, samples, **options)
    with soundfile.SoundFile(path) as file:
        whole = file.read(file.frames, dtype="float32", always_2d=True).mean(axis=1, dtype=np.float64)
    monkeypatch.setattr("tagging.data.audio.BLOCK", 4321)
    file = SoundFile(path)
    assert (read_sound(path, RATE).samples == whole.astype(np.float32)).all()
    for rate in (RATE, 44100, 3000):
        expected = soxr.resample(whole.astype(np.float32), RATE, rate, quality="HQ") if rate != RATE else whole
        blocks = list(file.resampled(rate))
        assert len(blocks) > 5
        assert (np.concatenate(blocks) == expected.astype(np.float32)).all()
    assert file.seconds == announced_seconds(path) == len(whole) / RATE


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite(tmp_path: Path, value: float) -> None:
    samples = TONE.copy()
    samples[4000:4010] = value
    path = written(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert reason_of(path) == "10 samples are not finite (NaN or infinite), the first at 0.50 s"


def test_finite_samples_whose_powers_float32_does_not_hold(tmp_path: Path) -> None:
    samples = np.stack([TONE, TONE], axis=1)
    samples[2000, 1] = -1e20
    reason = reason_of(written(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert reason == "1 sample is beyond 2^31 (sound lies in -1..1): damaged, or no floats, the first at 0.25 s"
    samples[3000:3005] = 3e9
    reason = reason_of(written(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert reason == "6 samples are beyond 2^31 (sound lies in -1..1): damaged, or no floats, the first at 0.25 s"


def test_integers_of_32_bits_under_a_float_header_have_finite_log_mels(tmp_path: Path) -> None:
    samples = np.full(RATE, 2.0**31, np.float32)
    sound = read_sound(written(tmp_path / "a.wav", samples, subtype="FLOAT"), RATE)
    settings = LogMelSettings(sample_rate=RATE, n_fft=65536, fmax=RATE / 2)  # the longest that a config allows
    assert LogMel(settings)([sound.samples])[0].isfinite().all()


@pytest.mark.parametrize("rate", [1, 999, 10_000_001])
def test_a_rate_that_no_sound_has_is_refused(tmp_path: Path, rate: int) -> None:
    reason = reason_of(written(tmp_path / "a.wav", TONE, rate))
    assert reason == f"its header says {rate:,} Hz; sound has 1,000 to 10,000,000: damaged, or made wrongly"
    assert len(read_sound(written(tmp_path / "a.wav", TONE, 1000), RATE).samples) == 8 * RATE


def test_a_name_that_is_not_utf8_is_read_and_named_by_its_bytes(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    written(tmp_path / "a.wav").rename(path)
    assert len(read_sound(path, RATE).samples) == RATE
    path.write_bytes(b"")
    with pytest.raises(UnreadableSound) as caught:
        read_sound(path, RATE)
    assert caught.value.problems == (f"{tmp_path}/caf\\xe9.wav: the file is empty (0 bytes)",)


def test_several_channels_are_read_in_little_more_memory_than_their_mean_takes(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", np.tile(TONE, 400)[:, None].repeat(2, axis=1))
    read_sound(path, RATE)
    tracemalloc.start()
    sound = read_sound(path, RATE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    blocks = 6 * 4 * 2**20  # float32 of both, twice that for their sum in float64, and what looks for flaws
    assert sound.samples.nbytes == 4 * 400 * RATE
    assert peak < sound.samples.nbytes + blocks
