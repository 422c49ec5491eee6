"""The demo's sound: ten kinds that an ear tells apart, each drawn anew, and their mixing into clips.

Every event is a float32 array [n] at 44.1 kHz with a peak of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

SAMPLE_RATE = 44100
SECONDS = (0.3, 6.0)
LEVEL_DB = (-18.0, -3.0)  # peak of an event
BACKGROUND_DB = (-60.0, -40.0)  # level of the noise under a clip
FADE = 0.01  # seconds, so that events neither begin nor end with a click

Event = Callable[[int, np.random.Generator], np.ndarray]


def make_clip(labels: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Draw a clip of 0.3 to 6 s that holds one event a label, at random times and levels, over noise.

    Returns float32 [n] within -1..1; short clips are as frequent as long ones on a logarithmic scale.
    """
    length = int(SAMPLE_RATE * np.exp(rng.uniform(*np.log(SECONDS))))
    clip = _noise(length, rng) * _gain(rng.uniform(*BACKGROUND_DB) - 12)
    for label in labels:
        span = int(length * rng.uniform(0.6, 1.0))
        event = EVENTS[label](span, rng)
        onset = rng.integers(length - span + 1)
        clip[onset : onset + span] += _faded(event / np.abs(event).max()) * _gain(rng.uniform(*LEVEL_DB))
    return clip / max(1.0, np.abs(clip).max())


def _beeps(length: int, rng: np.random.Generator) -> np.ndarray:
    """Short tones of one pitch with pauses between them."""
    gate = np.sin(_phase(np.full(length, rng.uniform(3, 7), np.float32))) > 0
    return _tone(length, rng.uniform(600, 2500)) * gate


def _buzz(length: int, rng: np.random.Generator) -> np.ndarray:
    """A low tone with many harmonics."""
    pitch = rng.uniform(70, 220)
    phase = _phase(np.full(length, pitch, np.float32))
    return sum((np.sin(k * phase) / k for k in range(1, 13)), np.zeros(length, np.float32))


def _clicks(length: int, rng: np.random.Generator) -> np.ndarray:
    """Even clicks of a millisecond or two."""
    period = int(SAMPLE_RATE / rng.uniform(5, 14))
    decay = np.exp(-(np.arange(length) % period) / (SAMPLE_RATE * rng.uniform(0.0005, 0.002)))
    return _noise(length, rng) * decay.astype(np.float32)


def _falling(length: int, rng: np.random.Generator) -> np.ndarray:
    """A tone that glides down."""
    return _rising(length, rng)[::-1]


def _flutter(length: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of the middle band that swells and ebbs several times a second."""
    beat = np.sin(_phase(np.full(length, rng.uniform(5, 12), np.float32)))
    return _band(_noise(length, rng), 300, 3000) * (1 + beat)


def _hiss(length: int, rng: np.random.Generator) -> np.ndarray:
    """Steady noise of the high band."""
    return _band(_noise(length, rng), rng.uniform(3500, 6000), 20000)


def _knocks(length: int, rng: np.random.Generator) -> np.ndarray:
    """Dull blows, each dying away within a tenth of a second."""
    period = int(SAMPLE_RATE / rng.uniform(2.5, 5))
    since = (np.arange(length) % period / SAMPLE_RATE).astype(np.float32)
    pitch = np.float32(2 * np.pi * rng.uniform(120, 300))
    return np.sin(pitch * since) * np.exp(-since / np.float32(0.04))


def _rising(length: int, rng: np.random.Generator) -> np.ndarray:
    """A tone that glides up by two octaves or so."""
    low = rng.uniform(200, 800)
    return np.sin(_phase(np.geomspace(low, low * rng.uniform(3, 6), length, dtype=np.float32)))


def _rumble(length: int, rng: np.random.Generator) -> np.ndarray:
    """Steady noise of the low band."""
    return _band(_noise(length, rng), 25, rng.uniform(100, 250))


def _siren(length: int, rng: np.random.Generator) -> np.ndarray:
    """A tone whose pitch swings up and down."""
    swing = np.sin(_phase(np.full(length, rng.uniform(1.5, 5), np.float32)))
    return np.sin(_phase(np.float32(rng.uniform(700, 1500)) * np.float32(1.4) ** swing))


EVENTS: dict[str, Event] = {
    "Beeps": _beeps,
    "Buzz": _buzz,
    "Clicks": _clicks,
    "Falling_tone": _falling,
    "Flutter": _flutter,
    "Hiss": _hiss,
    "Knocks": _knocks,
    "Rising_tone": _rising,
    "Rumble": _rumble,
    "Siren": _siren,
}


def _gain(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def _noise(length: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(length, dtype=np.float32)


def _phase(frequency: np.ndarray) -> np.ndarray:
    """Integrate a frequency in Hz to a phase; in float64, as float32 would drift within seconds."""
    turns = np.cumsum(frequency, dtype=np.float64) / SAMPLE_RATE
    return ((turns % 1) * (2 * np.pi)).astype(np.float32)


def _tone(length: int, pitch: float) -> np.ndarray:
    return np.sin(_phase(np.full(length, pitch, np.float32)))


def _band(noise: np.ndarray, low: float, high: float) -> np.ndarray:
    """Keep the frequencies from `low` to `high` Hz."""
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    spectrum[(frequency < low) | (frequency > high)] = 0
    return np.fft.irfft(spectrum, len(noise)).astype(np.float32)


def _faded(event: np.ndarray) -> np.ndarray:
    ramp = np.minimum(np.arange(len(event), dtype=np.float32) / np.float32(FADE * SAMPLE_RATE), 1)
    return event * ramp * ramp[::-1]
