"""Sound for a page: a short excerpt that a browser plays, and a picture of its spectrogram."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import soundfile
from matplotlib.figure import Figure

RATE = 24000  # Hz, one of those that MP3 has
WINDOW, STEP = 1024, 256  # samples of the spectrogram
FLOOR_DB = 80  # below the loudest point of the picture
SIZE = (3.6, 1.5)  # inches of the picture
LEFT, BOTTOM, RIGHT, TOP = 0.43, 0.36, 0.054, 0.045  # inches around its axes
GREY = "#808080"  # readable on white and on black


@dataclass(frozen=True)
class Excerpt:
    """A part of a clip: `sound` is an MP3 file, `picture` a WebP of its spectrogram.

    The part begins at `start` seconds of the clip and lasts `seconds`; the clip lasts `whole` seconds, as far as it was
    read. `axes` are the left and right end of the time axis in parts of the picture's width.
    """

    sound: bytes
    picture: bytes
    start: float
    seconds: float
    whole: float
    axes: tuple[float, float]


def excerpt(samples: np.ndarray, seconds: float = 5.0, size: tuple[float, float] = SIZE) -> Excerpt:
    """Return the loudest `seconds` of a clip, the whole of a shorter one, with a picture of `size` inches.

    samples [n] float32, mono, at RATE Hz, with n >= 1.
    """
    length = min(len(samples), round(seconds * RATE))
    start = loudest(samples, length)
    part = samples[start : start + length]
    sound, picture = encoded(part), spectrogram(part, size)
    return Excerpt(sound, picture, start / RATE, length / RATE, len(samples) / RATE, time_axis(size))


def time_axis(size: tuple[float, float]) -> tuple[float, float]:
    """Return where the time axis of a picture of `size` inches begins and ends, in parts of its width."""
    return LEFT / size[0], 1 - RIGHT / size[0]


def loudest(samples: np.ndarray, length: int) -> int:
    """Return where the `length` samples of most energy begin, to a tenth of a second; samples [n]."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, len(samples) - length + 1, RATE // 10)
    return int(starts[(energy[starts + length] - energy[starts]).argmax()])


def encoded(samples: np.ndarray) -> bytes:
    """Return samples [n], -1..1 at RATE Hz, as MP3, 6 kB a second; louder ones are scaled down.

    Every browser plays MP3, and it is encoded in a quarter of the time that Opus takes.
    """
    file = io.BytesIO()
    peak = max(float(np.abs(samples).max()), 1.0)
    soundfile.write(file, samples / peak, RATE, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()


def spectrogram(samples: np.ndarray, size: tuple[float, float] = SIZE) -> bytes:
    """Return a WebP picture, of `size` inches, of the power over seconds and kHz of samples [n] at RATE Hz."""
    padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)))
    decibels = 10 * np.log10(np.maximum(power, 1e-12)).T
    extent = (0, len(samples) / RATE, 0, RATE / 2000)
    return picture(decibels, extent, (decibels.max() - FLOOR_DB, decibels.max()), "kHz", size)


def picture(
    decibels: np.ndarray,
    extent: tuple[float, float, float, float],
    limits: tuple[float, float],
    unit: str,
    size: tuple[float, float] = SIZE,
) -> bytes:
    """Return a WebP picture of decibels [bands, frames], dark at the lower and light at the upper limit.

    `extent` are the ends of the axes of time in s and of frequency in `unit`; `size` is in inches.
    """
    figure = Figure(figsize=size, dpi=120)
    width, height = size
    figure.patch.set_alpha(0)  # the page's own colour, light or dark
    place = (LEFT / width, BOTTOM / height, 1 - (LEFT + RIGHT) / width, 1 - (BOTTOM + TOP) / height)
    axes = figure.add_axes(place)
    low, high = limits
    axes.imshow(decibels, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high, extent=extent)
    axes.set_xlabel("s", color=GREY, fontsize=7, labelpad=0)
    axes.set_ylabel(unit, color=GREY, fontsize=7, labelpad=1)
    axes.tick_params(colors=GREY, labelsize=7, length=2, pad=1)
    for edge in axes.spines.values():
        edge.set_color(GREY)
    file = io.BytesIO()
    figure.savefig(file, format="webp", pil_kwargs={"quality": 75})
    return file.getvalue()


def first_part(blocks: Iterable[np.ndarray], seconds: float = 600.0) -> np.ndarray:
    """Join blocks [n] of samples at RATE Hz, up to `seconds`: of a recording of hours only the beginning is read."""
    parts, length = [], 0
    for block in blocks:
        parts.append(block)
        length += len(block)
        if length >= seconds * RATE:
            break
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
