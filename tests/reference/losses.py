"""The training loss of a batch, clip by clip, with NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def cross_entropy(z: np.ndarray, y: np.ndarray) -> float:
    p = 1 / (1 + np.exp(-z))
    return float(np.mean(-y * np.log(p) - (1 - y) * np.log(1 - p)))


def soft_cross_entropy(z: np.ndarray, y: np.ndarray, beta: float) -> float:
    return cross_entropy(z, beta * y + (1 - beta) / (1 + np.exp(-z)))


def mean_of_kept(losses: Sequence[float], weights: Sequence[float], shares: Sequence[float]) -> float:
    """Return the mean of weight · loss over the clips whose loss is at most their share of the largest loss of all."""
    largest = max(losses)
    clips = zip(losses, weights, shares, strict=True)
    kept = [weight * loss for loss, weight, share in clips if loss <= share * largest]
    return sum(kept) / len(kept) if kept else 0.0
