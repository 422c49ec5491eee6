"""Synthetic waveforms that cover the corners of the log-mel."""

import numpy as np

RATE = 44100


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * level
    return samples.astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)


def tone(seconds: float, hertz: float, level: float = 0.5) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


WAVEFORMS = {
    "noise": noise(2.3),
    "tone": tone(1.0, 440),
    "chirp and silence": np.concatenate([silence(0.7), tone(0.8, 3000), silence(1.1)]),
    "fading noise": noise(3.0, 1) * np.geomspace(1, 1e-5, 3 * RATE).astype(np.float32),
    "late click": np.concatenate([silence(1.5), noise(0.05, 2), silence(2)]),
    "early click": np.concatenate([noise(0.02, 3), silence(1)]),
    "quiet end": np.concatenate([noise(0.3, 4), noise(1.0, 5, level=2e-4)]),
    "very short": noise(0.1, 6),
    "shorter than the padding": noise(0.02, 7),
    "one sample": np.array([0.5], np.float32),
    "zeros": silence(1.0),
}
