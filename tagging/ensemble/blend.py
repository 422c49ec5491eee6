"""A blend: integer weights over the candidates of a pool and the mean that joins them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tagging.ensemble.pool import Method

FLOOR = 1e-7


@dataclass(frozen=True)
class Blend:
    """Which candidates are blended, how often each counts, and by which mean.

    counts: N integers >= 0 in the order of the pool, not all 0; a candidate's weight is its share of them.
    """

    method: Method
    counts: tuple[int, ...]

    @property
    def members(self) -> tuple[int, ...]:
        """Positions in the pool of the candidates that count."""
        return tuple(index for index, number in enumerate(self.counts) if number)

    @property
    def weights(self) -> tuple[float, ...]:
        """Weight of each of `members`, in their order; they sum to 1."""
        total = sum(self.counts)
        return tuple(number / total for number in self.counts if number)


def weighted_mean(
    probabilities: Sequence[ArrayLike] | NDArray[np.float32], weights: Sequence[float], method: Method
) -> NDArray[np.float32]:
    """Return the weighted mean [n, C] of the members' probabilities, float32 in 0..1.

    probabilities: one [n, C] a member; weights >= 0, one a member, scaled to sum to 1. The geometric mean
    raises probabilities below 1e-7 to it; with equal weights it is `inference.blend.geometric_mean`.
    Computed in float64, one member at a time; the classes of a clip are not normalised. Raises ValueError
    on another number of weights than of members, on negative weights, and where all are 0.
    """
    given = np.asarray(weights, dtype=np.float64)
    if len(given) != len(probabilities):
        raise ValueError(f"{len(given)} weights for {len(probabilities)} members")
    if not (given >= 0).all() or not given.sum() > 0:
        raise ValueError(f"weights must be at least 0 and not all 0: {list(weights)}")
    total: NDArray[np.float64] | float = 0.0
    for share, member in zip(given / given.sum(), probabilities, strict=True):
        values = np.asarray(member, dtype=np.float64)
        total = total + share * (np.log(np.maximum(values, FLOOR)) if method == "geometric" else values)
    return np.asarray(np.exp(total) if method == "geometric" else total, dtype=np.float32)
