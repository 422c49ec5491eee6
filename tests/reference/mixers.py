"""The two mixers for one pair of clips, with NumPy."""

from __future__ import annotations

import numpy as np


def mixup(x1, y1, x2, y2, alpha: float, labels: str) -> tuple[np.ndarray, np.ndarray]:
    y = np.minimum(1, y1 + y2) if labels == "union" else (1 - alpha) * y1 + alpha * y2
    return (1 - alpha) * x1 + alpha * x2, y


def sigmoid_concat(x1, y1, x2, y2, rate: int) -> tuple[np.ndarray, np.ndarray]:
    frames = x1.shape[-1]
    mask = (1 / (1 + np.exp(rate - 2 * rate * np.arange(frames) / frames))).astype(x1.dtype)
    return mask * x1 + (1 - mask) * x2, np.minimum(1, y1 + y2)
