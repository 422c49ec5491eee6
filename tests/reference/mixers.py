"""The two mixers for one pair of clips, with NumPy."""

from __future__ import annotations

import math

import numpy as np


def mixup(x1, y1, x2, y2, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    return (1 - alpha) * x1 + alpha * x2, (1 - alpha) * y1 + alpha * y2


def sigmoid_concat(x1, y1, x2, y2, rate: int) -> tuple[np.ndarray, np.ndarray]:
    frames = x1.shape[-1]
    mask = np.array([1 / (1 + math.exp(rate - 2 * rate * t / frames)) for t in range(frames)])
    return mask * x1 + (1 - mask) * x2, np.minimum(1, y1 + y2)
