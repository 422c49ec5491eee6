from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from tagging.report.sound import RATE, encoded, excerpt, first_part, loudest, spectrogram


def tone(seconds: float, hertz: float, peak: float = 0.5) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_the_excerpt_of_a_long_clip_is_its_loudest_part() -> None:
    samples = np.concatenate([tone(4, 300, 0.01), tone(2, 1000), tone(4, 300, 0.01)])
    made = excerpt(samples, 2)
    assert (made.start, made.seconds, made.whole) == (pytest.approx(4, abs=0.1), 2, 10)
    heard, rate = soundfile.read(io.BytesIO(made.sound))
    assert (rate, heard.ndim) == (RATE, 1)
    assert len(heard) / RATE == pytest.approx(2, abs=0.1)  # MP3 comes in frames
    spectrum = np.abs(np.fft.rfft(heard))
    assert spectrum.argmax() * RATE / len(heard) == pytest.approx(1000, abs=20)


def test_a_short_clip_is_heard_as_a_whole() -> None:
    made = excerpt(tone(0.01, 500))
    assert (made.start, made.seconds, made.whole) == (0, 0.01, 0.01)
    assert loudest(tone(0.01, 500), 240) == 0


def test_samples_beyond_one_are_scaled_down() -> None:
    heard, _ = soundfile.read(io.BytesIO(encoded(tone(1, 500, 8))))
    assert 0.8 < np.abs(heard).max() <= 1.1


@pytest.mark.parametrize("samples", [tone(1, 6000), np.zeros(RATE, np.float32), np.zeros(1, np.float32)])
def test_a_spectrogram_is_a_picture_with_the_power_where_the_sound_is(samples: np.ndarray) -> None:
    picture = Image.open(io.BytesIO(spectrogram(samples)))
    assert (picture.format, picture.size) == ("WEBP", (432, 180))
    if samples.any():
        grey = np.asarray(picture.convert("L"), float)[10:130, 100:400].mean(axis=1)
        assert grey.argmax() == pytest.approx(60, abs=8)  # 6 of 12 kHz, in the middle of the picture


def test_of_a_recording_of_hours_the_beginning_is_read() -> None:
    read = []

    def blocks():  # endless
        while True:
            read.append(1)
            yield np.zeros(RATE, np.float32)

    assert len(first_part(blocks(), 3)) == 3 * RATE
    assert len(read) == 3
    assert len(first_part([], 3)) == 0
