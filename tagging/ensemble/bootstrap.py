"""The bootstrap over clips: how far a score can be trusted, and how stable the choice is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.blend import Blend
from tagging.ensemble.pool import Method, Pool


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of a figure over the bootstrap samples, lwlrap or a difference of two."""

    low: float
    high: float


class Bootstrap:
    """`samples` random draws of n clips out of n with replacement, the same for all that is asked of it.

    Seeded by `seed` alone through `tagging.seeds`. Percentile intervals: Efron and Tibshirani, "An
    introduction to the bootstrap", 1993, chapter 13. It moves clips alone: the candidates' training and
    the choice of the blend stay as they are, so the interval does not hold the optimism of the choice.
    """

    def __init__(self, pool: Pool, *, samples: int = 1000, seed: int = 0, threads: int = 1, device: str = "cpu"):
        raise NotImplementedError

    def intervals(self, blends: Sequence[Blend]) -> list[Interval]:
        """Return the interval of each blend's lwlrap."""
        raise NotImplementedError

    def difference(self, blend: Blend, other: Blend) -> Interval:
        """Return the interval of blend's lwlrap less other's, on the same samples."""
        raise NotImplementedError

    def chosen(self, method: Method, subsets: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return in what share of the samples each candidate is in the best of the given subsets [N].

        subsets [T, N], as `Enumeration.kept` holds them: the choice is made anew on every sample, but only
        among these, the best of their sizes on all clips, not among all 2^N.
        """
        raise NotImplementedError
