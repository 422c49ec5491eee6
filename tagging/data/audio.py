"""Decodes sound files in blocks, or raises why a file cannot be used: a damaged file never becomes silence."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from tagging.data.containers import OPUS_RATE, mp3_announces_length, ogg_gaps, ogg_is_torn, payload
from tagging.errors import UnreadableSound

SILENT_PEAK = 1e-4  # -80 dBFS
SHORT_SECONDS = 0.5
LOUDEST = 2.0**31  # integers of 32 bits under a float header; beyond that lies no sound, and at 1e16 powers overflow
BLOCK = 2**20  # samples, of all channels together, that are decoded at once: 4 MB
RATES = (1000, 10**7)  # Hz; others stand in damaged headers, and 1 Hz would become 44,100 times as many samples
LONGEST = 2**31  # frames, 13 hours at 44.1 kHz: beyond that a header says that the length is not known
NOT_FINITE = "not finite (NaN or infinite)"
TOO_LARGE = "beyond 2^31 (sound lies in -1..1): damaged, or no floats"
NO_FRAME = 7  # libsndfile's error for an MP3 without one whole frame; its text says that there is no file
MP3_GRANULE = 576  # samples; MP3 comes in whole granules


class Sound(NamedTuple):
    """A decoded clip and what is notable about its file."""

    samples: np.ndarray  # [n] float32, mono, at the sample rate asked for; integer formats lie in -1..1
    notes: tuple[str, ...]  # short clauses: "resampled from 48000 Hz", "silent"


class SoundFile:
    """A file that libsndfile reads: `rate` in Hz, `channels`, and the `frames` that its header announces.

    Raises UnreadableSound for a file that is no sound, or shorter than its header says.
    """

    def __init__(self, path: Path) -> None:
        _check_header(path)
        self.path = path
        with _opened(path) as file:
            self.rate, self.channels, self.frames = file.samplerate, file.channels, file.frames
            self._container, self._codec = file.format, file.subtype
        if self.frames > LONGEST:
            raise UnreadableSound(path, "its header does not say how long it is; encode it again")
        if not RATES[0] <= self.rate <= RATES[1]:
            raise UnreadableSound(
                path,
                f"its header says {self.rate:,} Hz; sound has {RATES[0]:,} to {RATES[1]:,}: damaged, or made wrongly",
            )
        if self._container == "OGG":
            self._check_pages()

    @property
    def seconds(self) -> float:
        """The length that the header announces."""
        return self.frames / self.rate

    def _check_pages(self) -> None:
        gaps = ogg_gaps(self.path)
        if gaps:
            rate = OPUS_RATE if self._codec == "OPUS" else self.rate
            start, end = gaps[0]
            place = (
                f"after {start / rate:.1f} s" if end is None else f"between {start / rate:.1f} and {end / rate:.1f} s"
            )
            more = f", the first of {len(gaps)} such places" if len(gaps) > 1 else ""
            raise UnreadableSound(self.path, f"damaged: a part {place} cannot be read{more}")

    def mono(self) -> Iterator[np.ndarray]:
        """Decode the file from its start: yield blocks [n] float32, its channels averaged.

        Raises UnreadableSound, at the end at the latest, where it is shorter than its header says or holds samples that
        are not finite or beyond 2^31; from the first such sample on nothing is yielded.
        """
        decoded, flaws = 0, [_Flaw(lambda block: ~np.isfinite(block), NOT_FINITE)]
        flaws.append(_Flaw(lambda block: np.abs(block) > LOUDEST, TOO_LARGE))
        with _opened(self.path) as file:
            # some codecs want the number of frames
            while size := min(max(1, BLOCK // self.channels), self.frames - decoded):
                block = file.read(size, dtype="float32", always_2d=True)
                if not len(block):
                    break
                for flaw in flaws:
                    flaw.look_at(block, decoded)
                decoded += len(block)
                if not any(flaw.samples for flaw in flaws):
                    yield block.mean(axis=1, dtype=np.float64).astype(np.float32)
        _check_length(self.path, self.frames, decoded, self._container)
        for flaw in flaws:
            if flaw.samples:
                samples = "1 sample is" if flaw.samples == 1 else f"{flaw.samples} samples are"
                reason = f"{samples} {flaw.what}, the first at {flaw.first / self.rate:.2f} s"
                raise UnreadableSound(self.path, reason)

    def resampled(self, sample_rate: int) -> Iterator[np.ndarray]:
        """Yield what `mono` does at `sample_rate` Hz, by soxr HQ: to the bit what it makes of the whole file."""
        if self.rate == sample_rate:
            yield from self.mono()
            return
        resampler = soxr.ResampleStream(self.rate, sample_rate, 1, dtype="float32", quality="HQ")
        for block in self.mono():
            yield resampler.resample_chunk(block)
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)

    def read(self, sample_rates: Collection[int]) -> dict[int, Sound]:
        """Decode the file as a whole, once for several sample rates in Hz; errors as `read_sound`."""
        mono, length = np.empty(self.frames, np.float32), 0
        for block in self.mono():
            mono[length : length + len(block)] = block
            length += len(block)
        mono, sounds = mono[:length], {}
        for wanted in sample_rates:
            samples = soxr.resample(mono, self.rate, wanted, quality="HQ") if self.rate != wanted else mono
            if not len(samples):
                raise UnreadableSound(self.path, "holds no sample of sound")
            sounds[wanted] = Sound(samples, _notes(mono, self.rate, wanted, self.channels))
        return sounds


def read_sound(path: Path, sample_rate: int) -> Sound:
    """Decode any file that libsndfile reads, average its channels, resample it (soxr HQ) to `sample_rate` Hz.

    Raises UnreadableSound for a file that cannot be decoded, is shorter than its header says, holds no
    sample, or holds samples that are not finite or beyond 2^31.
    """
    return SoundFile(path).read((sample_rate,))[sample_rate]


def announced_seconds(path: Path) -> float:
    """Return the length of a file by its header in seconds, 0 where that is not known or the file is no sound."""
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            return file.frames / file.samplerate if file.frames <= LONGEST else 0.0
    except (OSError, soundfile.SoundFileError, TypeError):
        return 0.0


class _FromStartToEnd(soundfile.SoundFile):
    """A file that is never sought in, as soundfile does after each block: an MP3 then decodes in other last bits."""

    def seekable(self) -> bool:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a file for decoding, and turn errors of libsndfile into UnreadableSound."""
    try:
        with _FromStartToEnd(os.fsencode(path)) as file:
            yield file
    except soundfile.LibsndfileError as error:
        why = "not one whole frame of MP3" if error.code == NO_FRAME else error.error_string.rstrip(".")
        raise UnreadableSound(path, f"cannot be decoded as sound ({why})") from None
    except TypeError:  # soundfile's answer to a suffix that stands for sound without a header
        raise UnreadableSound(path, "raw sound has no header; save it as WAV or FLAC") from None


def _check_header(path: Path) -> None:
    if not path.is_file():
        raise UnreadableSound(path, "there is no such file")
    if path.stat().st_size == 0:
        raise UnreadableSound(path, "the file is empty (0 bytes)")
    found = payload(path)
    if found and found.present < found.announced:
        raise UnreadableSound(
            path,
            f"cut short: {found.announced - found.present} bytes of sound are missing "
            f"(its header announces {found.announced}, the file holds {found.present})",
        )
    if ogg_is_torn(path):
        raise UnreadableSound(path, "cut short: it ends in the middle of an Ogg page")


def _check_length(path: Path, announced: int, decoded: int, container: str) -> None:
    if container == "MP3" and not mp3_announces_length(path):
        # libsndfile estimates the length and stops there: an end inside a granule is such a stop
        if decoded == announced and decoded % MP3_GRANULE:
            raise UnreadableSound(path, "an MP3 of variable bit rate that does not say how long it is; encode it again")
    elif decoded < announced:
        raise UnreadableSound(
            path, f"cut short: {announced - decoded} of the {announced} samples its header announces are missing"
        )


@dataclass
class _Flaw:
    """Samples of a kind that makes a file unusable: how many there are, and the number of the first."""

    found: Callable[[np.ndarray], np.ndarray]
    what: str
    samples: int = 0
    first: int = 0

    def look_at(self, block: np.ndarray, position: int) -> None:
        """Count those of a block [n, channels] that begins at a position of the file."""
        rows = self.found(block).any(axis=1)
        if rows.any():
            if not self.samples:
                self.first = position + int(rows.argmax())
            self.samples += int(rows.sum())


def _notes(mono: np.ndarray, rate: int, sample_rate: int, channel_count: int) -> tuple[str, ...]:
    notes = []
    if channel_count > 1:
        notes.append(f"{channel_count} channels averaged")
    if rate != sample_rate:
        notes.append(f"resampled from {rate} Hz")
    if max(mono.max(), -mono.min()) < SILENT_PEAK:
        notes.append("silent")
    if len(mono) < SHORT_SECONDS * rate:
        notes.append(f"shorter than {SHORT_SECONDS} s")
    return tuple(notes)
