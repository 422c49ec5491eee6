"""Scores of means: sums of precisions, clip by clip or fold by fold, for rows of integer weights or all subsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tagging.ensemble.blend import Blend
from tagging.ensemble.pairs import PRECISION_ONE
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.selection import Selection
from tagging.ensemble.subsets import Plan

Sums = NDArray[np.int64]


class Backend(Protocol):
    """What `on_numba` and `on_torch` offer alike."""

    def clip_sums(self, counts: Sums) -> Sums:
        """Return the summed precisions of each clip [S, n] under each row of counts [S, N]."""

    def subset_sums(self, plan: Plan) -> Sums:
        """Return the summed precisions of each fold [K, S] under the equal mean of each subset of a plan."""


class Scorer:
    """Sums of precisions under the means of a pool, as integers in units of 1 / PRECISION_ONE.

    lwlrap is such a sum over the number of labels; since each fold has its own, what a choice on some folds is
    worth on another costs no second pass. Ties count against a label. device: "cpu" (numba on `threads`
    threads) or a torch device ("cuda"); the sums are the same to the bit.
    """

    def __init__(self, pool: Pool, method: Method, threads: int = 1, device: str = "cpu") -> None:
        self.pool, self.method = pool, method
        self.labels = pool.labels_per_fold
        self._by_fold = np.argsort(pool.fold, kind="stable")
        self._fold_starts = np.searchsorted(pool.fold[self._by_fold], np.arange(len(self.labels)))
        self._backend = _backend(pool, method, threads, device)

    def clip_sums(self, counts: ArrayLike) -> Sums:
        """Return the sum of each clip [S, n] under each row of counts [S, N], integers >= 0, no row all 0."""
        return self._backend.clip_sums(np.ascontiguousarray(counts, dtype=np.int64))

    def fold_sums(self, counts: ArrayLike) -> Sums:
        """Return the sum of each fold [S, K] under each row of counts [S, N]."""
        return np.add.reduceat(self.clip_sums(counts)[:, self._by_fold], self._fold_starts, axis=1)

    def subset_sums(self, plan: Plan) -> Sums:
        """Return the sum of each fold [K, S] under the equal mean of each subset of a plan."""
        return self._backend.subset_sums(plan)

    def lwlrap(self, sums: ArrayLike) -> float:
        """Return the lwlrap of one sum per fold [K]."""
        return float(np.sum(sums) / PRECISION_ONE / self.labels.sum())

    def selection(self, blend: Blend, fold_blends: Sequence[Blend]) -> Selection:
        """Return the scores of a blend and of those that were chosen without each fold [K]."""
        sums = self.fold_sums([blend.counts, *(one.counts for one in fold_blends)])
        held_out = np.diagonal(sums[1:])
        scores = np.full(len(self.labels), np.nan)
        np.divide(held_out / PRECISION_ONE, self.labels, out=scores, where=self.labels > 0)
        return Selection(blend, self.lwlrap(sums[0]), self.lwlrap(held_out), tuple(fold_blends), tuple(scores.tolist()))


def views(folds: int) -> NDArray[np.bool_]:
    """Return the folds that choices are made on [K + 1, K]: first all, then all but fold k for each k."""
    return np.concatenate([np.ones((1, folds), dtype=bool), ~np.eye(folds, dtype=bool)])


def _backend(pool: Pool, method: Method, threads: int, device: str) -> Backend:
    # either library takes a second or more to import, and a machine may want only one
    if device == "cpu":
        from tagging.ensemble.on_numba import NumbaSums

        return NumbaSums(pool, method, threads)
    from tagging.ensemble.on_torch import TorchSums

    return TorchSums(pool, method, device)
