"""Weights by coordinate search: shares move between candidates on a grid as long as the score rises."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.blend import Blend
from tagging.ensemble.pool import Pool
from tagging.ensemble.scoring import Scorer, views
from tagging.ensemble.selection import Selection

Counts = NDArray[np.int64]
_SHARES = (1, 5)  # fine and coarse moves, in steps of the grid


def search_weights(pool: Pool, start: Selection, *, grid: int = 40, threads: int = 1, device: str = "cpu") -> Selection:
    """Return better weights than those of `start`, by its own mean.

    In each round every move of 1 or 5 shares of about 1 / grid from a member to another candidate is tried
    and the best is taken, until none raises the CV lwlrap; so the result is never worse than the start on
    the clips that it was chosen on. The nested estimate starts, for each fold, from what `start` chose
    without it. Raises ValueError on a blend of another number of candidates than the pool's.
    """
    if len(start.blend.counts) != len(pool):
        raise ValueError(f"a blend of {len(start.blend.counts)} candidates for a pool of {len(pool)}")
    scorer = Scorer(pool, start.blend.method, threads, device)
    blends = [
        Blend(start.blend.method, tuple(_climb(scorer, view, blend, grid).tolist()))
        for view, blend in zip(views(len(pool.folds)), [start.blend, *start.fold_blends], strict=True)
    ]
    return scorer.selection(blends[0], blends[1:])


def _climb(scorer: Scorer, view: NDArray[np.bool_], blend: Blend, grid: int) -> Counts:
    """Return the counts [N] from which no move raises the sum on the folds of a view."""
    counts = np.array(blend.counts, dtype=np.int64)
    # the start lies on the grid exactly: its counts are raised to about `grid` in all, or a share is several of them
    counts *= max(1, round(grid / int(counts.sum())))
    share = max(1, int(counts.sum()) // grid)
    best = int(scorer.fold_sums(counts[None])[:, view].sum())
    while True:
        moved = np.concatenate([_moves(counts, share * number) for number in _SHARES])
        if not len(moved):
            return counts
        sums = scorer.fold_sums(moved)[:, view].sum(axis=1)
        if sums.max() <= best:
            return counts
        counts, best = moved[sums.argmax()], int(sums.max())


def _moves(counts: Counts, share: int) -> Counts:
    """Return the counts [moves, N] after moving a share from each member that has it to each other candidate."""
    one = np.eye(len(counts), dtype=np.int64) * share
    givers = np.flatnonzero(counts >= share)
    moved = counts - one[givers][:, None] + one[None]
    other = givers[:, None] != np.arange(len(counts))
    return moved[other]
