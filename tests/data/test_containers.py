"""Files of sound that are cut short or damaged stop, in the formats that docs/data.md lists."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tagging.data.audio import read_sound
from tests.data.test_audio import RATE, TONE, reason_of, written


def with_data_size(path: Path, size: int) -> Path:
    """Rewrite the size of a plain WAV's data chunk."""
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


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
        f"cut short: 1000 bytes of sound are missing (its header announces {announced}, "
        f"the file holds {announced - 1000})"
    )


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("left", [0.9, 0.5, 0.02])
def test_an_ogg_that_is_cut_short(tmp_path: Path, subtype: str, left: float) -> None:
    path = written(tmp_path / "a.ogg", np.tile(TONE, 10), subtype=subtype)
    path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
    assert reason_of(path) == "cut short: it ends in the middle of an Ogg page"


def test_an_ogg_cut_between_two_pages_reads_as_a_shorter_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ogg", np.tile(TONE, 10))
    content = path.read_bytes()
    last = content.rindex(b"OggS")
    path.write_bytes(content[:last])
    assert 0 < len(read_sound(path, RATE).samples) < 10 * RATE
    path.write_bytes(content[: last + 10])
    assert reason_of(path) == "cut short: it ends in the middle of an Ogg page"


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
        assert reason_of(path).startswith(("cut short: ", "cannot be decoded as sound ("))


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
        "cut short: 16000 bytes of sound are missing (its header announces 16000, the file holds 0)"
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


def test_an_mp3_that_is_cut_short(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp3", np.tile(TONE, 10))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    reason = reason_of(path)
    assert reason.startswith("cut short: ")
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
    assert reason_of(path).startswith("cut short: 1000 bytes of sound are missing (its header announces ")


def test_a_flac_without_a_length(tmp_path: Path) -> None:
    path = written(tmp_path / "a.flac")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples in STREAMINFO: four bits and four bytes
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert reason_of(path) == "its header does not say how long it is; encode it again"
