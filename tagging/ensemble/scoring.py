"""Scores of means: sums of precisions, clip by clip or fold by fold, for rows of integer weights or all subsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from tagging.ensemble.blend import Blend
from tagging.ensemble.pairs import PRECISION_ONE, precision_table, undecided_pairs
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.selection import Selection
from tagging.ensemble.subsets import Plan, members_of

Sums = NDArray[np.int64]


class Scorer:
    """Sums of precisions under the means of a pool, as integers in units of 1 / PRECISION_ONE.

    lwlrap is such a sum over the number of labels; since each fold has its own, what a choice on some folds is
    worth on another costs no second pass. Ties count against a label. `threads`: by default those of torch; the
    sums are the same to the bit for any number.
    """

    def __init__(self, pool: Pool, method: Method, threads: int | None = None) -> None:
        self.pool, self.method = pool, method
        self.labels = pool.labels_per_fold
        self._threads = threads or torch.get_num_threads()
        self._by_fold = np.argsort(pool.fold, kind="stable")
        self._fold_starts = np.searchsorted(pool.fold[self._by_fold], np.arange(len(self.labels)))
        pairs = self._pairs = undecided_pairs(pool, method)
        table = precision_table(pool.truth)
        self._of_labels: tuple[NDArray[Any], ...] = (
            *(pairs.difference, pairs.starts, pairs.split, pairs.wrong, pairs.right),
            table,
        )
        self._decided = np.zeros(len(self.labels), dtype=np.int64)
        np.add.at(self._decided, pool.fold, pairs.decided)

    def clip_sums(self, counts: ArrayLike) -> Sums:
        """Return the sum of each clip [S, n] under each row of counts [S, N], integers >= 0, no row all 0."""
        from tagging.ensemble import on_numba

        rows = np.ascontiguousarray(counts, dtype=np.int64)
        out = np.tile(self._pairs.decided, (len(rows), 1))
        if len(self._pairs.clip):
            on_numba.use_threads(min(self._threads, 1 + (len(rows) - 1) // on_numba.ROWS))
            on_numba.sums_of_weights(*self._of_labels, self._pairs.clip, *on_numba.changes(rows), out)
        return out

    def fold_sums(self, counts: ArrayLike) -> Sums:
        """Return the sum of each fold [S, K] under each row of counts [S, N]."""
        return np.add.reduceat(self.clip_sums(counts)[:, self._by_fold], self._fold_starts, axis=1)

    def subset_sums(self, plan: Plan) -> Sums:
        """Return the sum of each fold [K, S] under the equal mean of each subset of a plan."""
        from tagging.ensemble import on_numba

        lows = plan.last - plan.first
        out = np.tile(self._decided[:, None], (1, int(lows.sum())))
        if len(self._pairs.clip):
            difference = self._pairs.difference
            given = members_of(np.array([plan.must]), len(difference))[0]
            must = difference[given].sum(axis=0, dtype=np.int32)
            high = (*on_numba.toggles(plan.high, len(difference)), plan.first, plan.last, np.cumsum(lows) - lows)
            on_numba.use_threads(self._threads)
            on_numba.sums_of_subsets(*self._of_labels, self._pairs.fold, must, plan.previous, plan.added, *high, out)
        return out

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
