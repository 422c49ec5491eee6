"""Searches for weights: greedy selection, for pools of any size, and a coordinate search that starts from a blend."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tagging import seeds
from tagging.ensemble.blend import Blend
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.scoring import Scorer, views
from tagging.ensemble.selection import Selection

Counts = NDArray[np.int64]
_SHARES = (1, 5)  # fine and coarse moves, in steps of the grid


def greedy(pool: Pool, method: Method, *, seed: int = 0, largest: int = 50, bags: int = 20) -> Selection:
    """Choose members one at a time, each as often as it helps, by the CV lwlrap of their mean.

    Starts from the best prefix of the candidates sorted by score, adds up to `largest` members (with
    replacement) and keeps the best blend on the way. bags > 0: done on that many random halves of the
    candidates, drawn from `seed`, whose counts are added up; 0: once, on all. Of equal scores the earlier
    candidate and the smaller blend win. Caruana et al., "Ensemble selection from libraries of models",
    ICML 2004.
    """
    scorer = Scorer(pool, method)
    halves = [_half(len(pool), seed, bag) for bag in range(bags)] or [np.arange(len(pool))]
    blends = []
    for view in views(len(pool.folds)):
        counts = sum(_one_bag(scorer, view, allowed, largest) for allowed in halves)
        blends.append(Blend(method, tuple(np.asarray(counts).tolist())))
    return scorer.selection(blends[0], blends[1:])


def _half(candidates: int, seed: int, bag: int) -> NDArray[np.int64]:
    """Draw a random half of the candidates, rounded up; ascending positions."""
    drawn = torch.randperm(candidates, generator=seeds.generator(seed, "greedy", bag))
    return np.sort(drawn[: (candidates + 1) // 2].numpy())


def _one_bag(scorer: Scorer, view: NDArray[np.bool_], allowed: NDArray[np.int64], largest: int) -> Counts:
    """Return how often each candidate counts [N], chosen among `allowed` on the folds of a view."""
    one_more = np.eye(len(scorer.pool), dtype=np.int64)[allowed]
    alone = scorer.fold_sums(one_more)[:, view].sum(axis=1)
    prefixes = np.cumsum(one_more[np.argsort(-alone, kind="stable")], axis=0)[:largest]
    counts, best = _highest(scorer, view, prefixes)
    chosen = counts
    while counts.sum() < largest:
        counts, score = _highest(scorer, view, counts + one_more)
        if score > best:
            chosen, best = counts, score
    return chosen


def _highest(scorer: Scorer, view: NDArray[np.bool_], rows: Counts) -> tuple[Counts, int]:
    """Return the row of counts with the highest sum on the folds of a view, the first of equals, and that sum."""
    sums = scorer.fold_sums(rows)[:, view].sum(axis=1)
    return rows[sums.argmax()], int(sums.max())


def search_weights(pool: Pool, start: Selection, *, grid: int = 40) -> Selection:
    """Return weights with a higher CV lwlrap than `start`, under the mean of `start`.

    In each round every move of 1 or 5 shares of about 1 / grid from a member to another candidate is tried
    and the best is taken, until none raises the CV lwlrap; so the result is never worse than the start on
    the clips that it was chosen on. The nested estimate starts, for each fold, from what `start` chose
    without it. Raises ValueError on a blend of another number of candidates than the pool's.
    """
    if len(start.blend.counts) != len(pool):
        raise ValueError(f"a blend of {len(start.blend.counts)} candidates for a pool of {len(pool)}")
    scorer = Scorer(pool, start.blend.method)
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
