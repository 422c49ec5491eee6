"""The bootstrap over clips: how far a score can be trusted, and how stable the choice is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tagging import seeds
from tagging.ensemble.blend import Blend
from tagging.ensemble.pairs import PRECISION_ONE
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.scoring import Scorer
from tagging.ensemble.selection import clip_sums
from tagging.metrics import interval

_SUBSETS_AT_ONCE = 256  # their sums over 5,000 clips fill 10 MB


class Interval(NamedTuple):
    """The middle 95 % of a figure over the bootstrap samples, lwlrap or a difference of two."""

    low: float
    high: float


class Bootstrap:
    """Random draws of n clips out of n with replacement, the same for every blend.

    `samples` draws from `seed` alone; one that holds no label is left out. Percentile intervals: Efron and
    Tibshirani, "An introduction to the bootstrap", 1993, chapter 13. It moves clips alone: the candidates'
    training and the choice of the blend stay as they are, so an interval leaves out the optimism of
    the choice.
    """

    def __init__(self, pool: Pool, *, samples: int = 1000, seed: int = 0) -> None:
        self._pool = pool
        times = _times_drawn(pool.clips, samples, seed)
        labels = times @ pool.truth.sum(axis=1)
        self._times, self._labels = times[labels > 0], labels[labels > 0]

    def intervals(self, blends: Sequence[Blend]) -> list[Interval]:
        """Return the interval of the lwlrap of each blend's float32 mean."""
        return [Interval(*interval(self._of_blend(blend)).tolist()) for blend in blends]

    def difference(self, blend: Blend, other: Blend) -> Interval:
        """Return the interval of blend's lwlrap less other's, on the same samples."""
        return Interval(*interval(self._of_blend(blend) - self._of_blend(other)).tolist())

    def chosen(self, method: Method, subsets: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return in what share of the samples each candidate is in the best of the given subsets [N].

        subsets [T, N], as `Enumeration.kept` holds them: the choice is made anew on every sample, but only
        among these, the best of their sizes on all clips, not among all 2^N, so it looks steadier than it
        is. Of equal scores the earlier subset wins.
        """
        scorer = Scorer(self._pool, method)
        best = np.full(len(self._times), -1.0)
        winner = np.zeros(len(self._times), dtype=np.int64)
        for begin in range(0, len(subsets), _SUBSETS_AT_ONCE):
            sums = scorer.clip_sums(subsets[begin : begin + _SUBSETS_AT_ONCE]) / PRECISION_ONE
            scores = sums @ self._times.T / self._labels  # of each subset on each sample
            higher = scores.max(axis=0) > best
            winner[higher] = begin + scores.argmax(axis=0)[higher]
            best = np.maximum(best, scores.max(axis=0))
        return subsets[winner].mean(axis=0)

    def _of_blend(self, blend: Blend) -> NDArray[np.float64]:
        lwlrap: NDArray[np.float64] = clip_sums(self._pool, blend) @ self._times.T / self._labels
        return lwlrap


def _times_drawn(clips: int, samples: int, seed: int) -> NDArray[np.float64]:
    """Draw how often each clip is in each sample [samples, n]: multinomial, n draws of n."""
    drawn = torch.randint(clips, (samples, clips), generator=seeds.generator(seed, "bootstrap")).numpy()
    return np.stack([np.bincount(one, minlength=clips) for one in drawn]).astype(np.float64)
