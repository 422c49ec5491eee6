"""One clip's tiles as a stacker's training step picks and averages them, clip by clip with NumPy."""

from __future__ import annotations

import numpy as np


def picked_mean(tiles: np.ndarray, start: int, length: int, size: int, keys: np.ndarray) -> np.ndarray:
    """Average [n, F] over the run of tiles from `start`, then over the `size` of them with the smallest keys."""
    run = tiles[start : start + length]
    if size < length:
        run = run[np.sort(np.argsort(keys)[:size])]
    return run.mean(axis=0)
