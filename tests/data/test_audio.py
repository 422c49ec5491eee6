from __future__ import annotations

import os
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tagging.data.audio import SoundFile, announced_seconds, read_sound, read_sounds
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


def with_data_size(path: Path, size: int) -> Path:
    """Rewrite the size of a plain WAV's data chunk."""
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


def test_several_rates_of_a_file_are_those_that_are_read_one_by_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav")
    together = read_sounds(path, (RATE, RATE // 2))
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
    assert LogMel(settings, "cpu")([sound.samples])[0].isfinite().all()


@pytest.mark.parametrize(
    ("name", "options", "extra"),
    [
        ("a.wav", {}, 0),
        ("a.wav", {"endian": "BIG"}, 0),
        ("a.wav", {"format": "WAVEX"}, 0),
        ("a.wav", {"format": "RF64"}, 0),
        ("a.aiff", {}, 8),  # an SSND chunk begins with two numbers of its own
        ("a.au", {}, 0),
        ("a.au", {"endian": "LITTLE"}, 0),
        ("a.caf", {}, 4),  # and a data chunk of CAF with one
        ("a.w64", {}, 104),  # W64 announces the size of the whole file
    ],
)
def test_a_file_shorter_than_its_header_says(tmp_path: Path, name: str, options: dict, extra: int) -> None:
    path = written(tmp_path / name, **options)
    path.write_bytes(path.read_bytes()[:-1000])
    announced = 2 * RATE + extra
    assert reason_of(path) == (
        f"broken off: 1000 bytes of sound are missing (its header announces {announced}, "
        f"the file holds {announced - 1000})"
    )


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("left", [0.9, 0.5, 0.02])
def test_an_ogg_that_is_broken_off(tmp_path: Path, subtype: str, left: float) -> None:
    path = written(tmp_path / "a.ogg", np.tile(TONE, 10), subtype=subtype)
    path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
    assert reason_of(path) == "broken off: it ends in the middle of an Ogg page"


def test_an_ogg_cut_between_two_pages_reads_as_a_shorter_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ogg", np.tile(TONE, 10))
    content = path.read_bytes()
    last = content.rindex(b"OggS")
    path.write_bytes(content[:last])
    assert 0 < len(read_sound(path, RATE).samples) < 10 * RATE
    path.write_bytes(content[: last + 10])
    assert reason_of(path) == "broken off: it ends in the middle of an Ogg page"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_damaged_in_the_middle_says_which_part_cannot_be_read(tmp_path: Path, subtype: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 20 * RATE)
    path = written(tmp_path / "a.ogg", noise, subtype=subtype)
    content = path.read_bytes()
    pages = [match.start() for match in re.finditer(b"OggS", content)]
    rate = 48000 if subtype == "OPUS" else RATE
    ends = [struct.unpack("<q", content[page + 6 : page + 14])[0] / rate for page in pages]
    middle = len(pages) // 2
    before, after = ends[middle - 1], ends[middle + 1]  # a page tells where it ends alone
    half = pages[middle] + 500
    one = f"damaged: a part between {before:.1f} and {after:.1f} s cannot be read"
    for damaged, reason in (
        (content[:half] + b"?" + content[half + 1 :], one),
        (content[:half] + bytes(100) + content[half + 100 :], one),
        (content[: pages[middle]] + content[pages[middle + 1] :], one),
        (content[:half] + bytes(len(content) - half), f"damaged: a part after {before:.1f} s cannot be read"),
        (
            content[:half] + b"?" + content[half + 1 : pages[-1] + 90] + b"?" + content[pages[-1] + 91 :],
            f"{one}, the first of 2 such places",
        ),
    ):
        path.write_bytes(damaged)
        assert reason_of(path) == reason
    path.write_bytes(content)
    assert len(read_sound(path, RATE).samples) == 20 * RATE


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


def test_what_follows_an_ogg_without_being_a_page_does_not_count(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ogg")
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
    assert len(read_sound(path, RATE).samples) == RATE


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au", "a.caf", "a.w64", "a.ogg", "a.flac", "a.mp3"])
def test_every_cut_stops_in_the_formats_that_the_manual_promises(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, np.tile(TONE, 3))
    content = path.read_bytes()
    for size in (len(content) * 9 // 10, len(content) // 2, 300, 60, 20):
        path.write_bytes(content[:size])
        assert reason_of(path).startswith(("broken off: ", "cannot be decoded as sound ("))


def test_a_damaged_size_beyond_every_file_is_no_crash(tmp_path: Path) -> None:
    path = written(tmp_path / "a.caf")
    content = bytearray(path.read_bytes())
    content[12:20] = struct.pack(">q", 2**63 - 1)  # of the first chunk
    path.write_bytes(content)
    assert reason_of(path) == "cannot be decoded as sound (Supported file format but file is malformed)"


def test_a_header_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:44])
    assert reason_of(path) == (
        "broken off: 16000 bytes of sound are missing (its header announces 16000, the file holds 0)"
    )
    path.write_bytes(path.read_bytes()[:30])
    assert reason_of(path) == "cannot be decoded as sound (Error in WAV file. No 'data' chunk marker)"


def test_a_size_left_unknown_by_a_streaming_writer_is_no_truncation(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav")
    for size in (0x7FFFF000, 0x7FFFFFDB, 0x80000000, 0xFFFFFFFF):
        assert len(read_sound(with_data_size(path, size), RATE).samples) == RATE
    assert reason_of(with_data_size(path, 0)) == "holds no sample of sound"


def test_chunks_around_the_sound_do_not_count(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", TONE[:4001])
    content = path.read_bytes()
    odd = b"note" + struct.pack("<I", 3) + b"abc\0"
    path.write_bytes(content[:36] + odd + content[36:] + odd)
    assert len(read_sound(path, RATE).samples) == 4001


def test_an_mp3_that_is_broken_off(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp3", np.tile(TONE, 10))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    reason = reason_of(path)
    assert reason.startswith("broken off: ")
    assert reason.endswith("of the 80000 samples its header announces are missing")


def test_an_mp3_cut_inside_its_first_frame(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp3")
    path.write_bytes(path.read_bytes()[:100])
    assert reason_of(path) == "cannot be decoded as sound (not one whole frame of MP3)"


def without_length_tag(path: Path) -> Path:
    content = path.read_bytes()
    tag = max(content.find(b"Xing"), content.find(b"Info"))
    path.write_bytes(b"ID3\4\0\0\0\0\1\0" + bytes(128) + content[content.find(content[:2], tag) :])
    return path


def test_an_mp3_whose_length_is_estimated_is_read_in_full_or_not_at_all(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal(5 * 44100).astype(np.float32) * 0.1
    noise = np.concatenate([noise, noise * 0])
    steady = tmp_path / "steady.mp3"
    soundfile.write(steady, noise, 44100, bitrate_mode="CONSTANT", compression_level=0.5)
    assert abs(len(read_sound(without_length_tag(steady), 44100).samples) - len(noise)) < 3000
    varying = tmp_path / "varying.mp3"
    soundfile.write(varying, noise, 44100, bitrate_mode="VARIABLE", compression_level=0.5)
    assert reason_of(without_length_tag(varying)) == (
        "an MP3 of variable bit rate that does not say how long it is; encode it again"
    )


ID3 = b"ID3\4\0\0\0\0\1\0" + bytes(128)
COMMENT = b"ID3\4\0\0\0\0\1\0" + b"Info\xff\xfb\x90\xc4".ljust(128, b"\0")
FOOTER = b"ID3\4\0\x10\0\0\1\0" + bytes(128) + b"3DI\4\0\x10\0\0\1\0"


@pytest.mark.parametrize(
    "before",
    [ID3, ID3 + COMMENT, FOOTER, bytes(2100), bytes(60_000), bytes(3000) + ID3 + bytes(3000), b"junk\xff\xfb" * 500],
)
@pytest.mark.parametrize("rate", [44100, 24000, 8000])
def test_an_mp3_that_says_how_long_it_is_is_read_whatever_stands_before_it(
    tmp_path: Path, before: bytes, rate: int
) -> None:
    noise = np.random.default_rng(0).standard_normal(rate).astype(np.float32) * 0.1
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.concatenate([noise, noise[:1000] * 0]), rate, bitrate_mode="VARIABLE")
    content = path.read_bytes()
    path.write_bytes(before + content)
    assert len(read_sound(path, rate).samples) == rate + 1000
    path.write_bytes(before + content[: len(content) // 2])
    assert reason_of(path).endswith(f"of the {rate + 1000} samples its header announces are missing")


@pytest.mark.parametrize("before", [b"see Info", COMMENT])
def test_words_before_an_mp3_are_not_its_length(tmp_path: Path, before: bytes) -> None:
    noise = np.random.default_rng(0).standard_normal(5 * 44100).astype(np.float32) * 0.1
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.concatenate([noise, noise * 0]), 44100, bitrate_mode="VARIABLE", compression_level=0.5)
    path.write_bytes(before + without_length_tag(path).read_bytes()[len(ID3) :])
    with soundfile.SoundFile(path) as file:
        assert file.frames < 5 * 44100  # of twice as many
    assert reason_of(path) == "an MP3 of variable bit rate that does not say how long it is; encode it again"


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au"])
def test_sound_behind_two_tags_is_read_in_full_or_not_at_all(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(ID3 + ID3 + content)
    assert len(read_sound(path, RATE).samples) == RATE
    path.write_bytes(ID3 + ID3 + content[:-1000])
    assert reason_of(path).startswith("broken off: 1000 bytes of sound are missing (its header announces ")


def test_a_flac_without_a_length(tmp_path: Path) -> None:
    path = written(tmp_path / "a.flac")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples in STREAMINFO: four bits and four bytes
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert reason_of(path) == "its header does not say how long it is; encode it again"
