"""Means of probabilities: arithmetic over the tiles of a clip, geometric over models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagging.errors import UserError

Probabilities = NDArray[np.float32]


def check_finite(probabilities: Probabilities, title: str, advice: str) -> None:
    """Raise UserError where probabilities [n, C] hold NaN or infinity: nothing of that kind is written to a table.

    `title` says whose probabilities they are, `advice` what can be done.
    """
    broken = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if broken:
        raise UserError(f"{title}: {broken} of {len(probabilities)} rows are not finite (NaN or infinite); {advice}")


def mean_over_tiles(probabilities: Probabilities, clip: NDArray[np.int64], n: int) -> Probabilities:
    """Return the mean [n, C] of each clip's tiles, summed in float64 and given back as float32.

    probabilities [K, C], clip [K] the position 0..n-1 of each tile's clip, in any order. Raises
    ValueError where a clip has no tile.
    """
    counts = np.bincount(clip, minlength=n)
    if not counts.all():
        raise ValueError(f"{(counts == 0).sum()} of {n} clips have no tile, first number {counts.argmin()}")
    sums = np.zeros((n, probabilities.shape[1]))
    np.add.at(sums, clip, probabilities)
    return (sums / counts[:, None]).astype(np.float32)


def geometric_mean(members: Sequence[Probabilities], floor: float = 1e-7) -> Probabilities:
    """Return the geometric mean [n, C] over models that each gave probabilities [n, C] in 0..1.

    Probabilities below `floor` are raised to it, since one exact zero would silence all other models.
    Computed in float64 and given back as float32; the classes of a clip are not normalised.
    """
    logarithms = [np.log(np.maximum(member, floor, dtype=np.float64)) for member in members]
    return np.exp(np.mean(logarithms, axis=0)).astype(np.float32)
