"""Decodes one sound file in full, or says why it cannot be used: a broken file never becomes silence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tagging.data.containers import mp3_announces_length, ogg_is_torn, payload
from tagging.errors import UnreadableSound

SILENT_PEAK = 1e-4  # -80 dBFS
SHORT_SECONDS = 0.5
LOUDEST = 2.0**31  # integers of 32 bits under a float header; beyond that lies no sound, and at 1e16 powers overflow
LONGEST = 2**31  # frames, 13 hours at 44.1 kHz: beyond that a header says that the length is not known
NO_FRAME = 7  # libsndfile's error for an MP3 without one whole frame; its text says that there is no file
MP3_GRANULE = 576  # samples; MP3 comes in whole granules


@dataclass(frozen=True)
class Sound:
    """A decoded clip and what is notable about its file."""

    samples: np.ndarray  # [n] float32, mono, at the sample rate asked for; integer formats lie in -1..1
    notes: tuple[str, ...]  # short clauses: "resampled from 48000 Hz", "silent"


def read_sound(path: Path, sample_rate: int) -> Sound:
    """Decode any file that libsndfile reads, average its channels, resample it (soxr HQ) to `sample_rate` Hz.

    Raises UnreadableSound for a file that cannot be decoded, is shorter than its header says, holds no
    sample, or holds samples that are not finite or beyond 2^31.
    """
    return read_sounds(path, (sample_rate,))[sample_rate]


def read_sounds(path: Path, sample_rates: Collection[int]) -> dict[int, Sound]:
    """Decode a file once for several sample rates in Hz; otherwise as `read_sound`."""
    _check_header(path)
    channels, rate = _decode(path)
    _check_samples(path, channels, rate)
    mono = channels.mean(axis=1, dtype=np.float64).astype(np.float32)
    return {wanted: _resampled(path, mono, rate, wanted, channels.shape[1]) for wanted in sample_rates}


def _resampled(path: Path, mono: np.ndarray, rate: int, sample_rate: int, channel_count: int) -> Sound:
    samples = soxr.resample(mono, rate, sample_rate, quality="HQ") if rate != sample_rate else mono
    if not len(samples):
        raise UnreadableSound(path, "holds no sample of sound")
    return Sound(samples, _notes(mono, rate, sample_rate, channel_count))


def _check_header(path: Path) -> None:
    if not path.is_file():
        raise UnreadableSound(path, "there is no such file")
    if path.stat().st_size == 0:
        raise UnreadableSound(path, "the file is empty (0 bytes)")
    found = payload(path)
    if found and found.present < found.announced:
        raise UnreadableSound(
            path,
            f"broken off: {found.announced - found.present} bytes of sound are missing "
            f"(its header announces {found.announced}, the file holds {found.present})",
        )
    if ogg_is_torn(path):
        raise UnreadableSound(path, "broken off: it ends in the middle of an Ogg page")


def _decode(path: Path) -> tuple[np.ndarray, int]:
    """Return all samples [n, channels] float32 and the sample rate in Hz."""
    try:
        with soundfile.SoundFile(path) as file:
            announced, rate, container = file.frames, file.samplerate, file.format
            if announced > LONGEST:
                raise UnreadableSound(path, "its header does not say how long it is; encode it again")
            channels = file.read(announced, dtype="float32", always_2d=True)  # some codecs want the number
    except soundfile.LibsndfileError as error:
        said = "not one whole frame of MP3" if error.code == NO_FRAME else error.error_string.rstrip(".")
        raise UnreadableSound(path, f"cannot be decoded as sound ({said})") from None
    except TypeError:  # soundfile's answer to a suffix that stands for sound without a header
        raise UnreadableSound(path, "raw sound has no header; save it as WAV or FLAC") from None
    _check_length(path, announced, len(channels), container)
    return channels, rate


def _check_length(path: Path, announced: int, decoded: int, container: str) -> None:
    if container == "MP3" and not mp3_announces_length(path):
        # libsndfile estimates the length and stops there: an end inside a granule is such a stop
        if decoded == announced and decoded % MP3_GRANULE:
            raise UnreadableSound(path, "an MP3 of variable bit rate that does not say how long it is; encode it again")
    elif decoded < announced:
        raise UnreadableSound(
            path,
            f"broken off: {announced - decoded} of the {announced} samples its header announces are missing",
        )


def _check_samples(path: Path, channels: np.ndarray, rate: int) -> None:
    for broken, what in (
        (~np.isfinite(channels), "not finite (NaN or infinite)"),
        (np.abs(channels) > LOUDEST, "beyond 2^31 (sound lies in -1..1): damaged, or no floats"),
    ):
        rows = broken.any(axis=1)
        if rows.any():
            samples = "1 sample is" if rows.sum() == 1 else f"{rows.sum()} samples are"
            raise UnreadableSound(path, f"{samples} {what}, the first at {np.argmax(rows) / rate:.2f} s")


def _notes(mono: np.ndarray, rate: int, sample_rate: int, channel_count: int) -> tuple[str, ...]:
    notes = []
    if channel_count > 1:
        notes.append(f"{channel_count} channels averaged")
    if rate != sample_rate:
        notes.append(f"resampled from {rate} Hz")
    if np.abs(mono).max() < SILENT_PEAK:
        notes.append("silent")
    if len(mono) < SHORT_SECONDS * rate:
        notes.append(f"shorter than {SHORT_SECONDS} s")
    return tuple(notes)
