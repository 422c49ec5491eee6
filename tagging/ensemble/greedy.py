"""Greedy selection with replacement: for pools too large to enumerate, and for weights."""

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


def greedy(
    pool: Pool,
    method: Method,
    *,
    seed: int = 0,
    largest: int = 50,
    bags: int = 20,
    threads: int = 1,
    device: str = "cpu",
) -> Selection:
    """Choose members one at a time, each as often as it helps, by the CV lwlrap of their mean.

    Starts from the best prefix of the candidates sorted by score, adds up to `largest` members (with
    replacement) and keeps the best blend on the way. bags > 0: done on that many random halves of the
    candidates, drawn from `seed`, whose counts are added up; 0: once, on all. Of equal scores the earlier
    candidate and the smaller blend win. Caruana et al., "Ensemble selection from libraries of models",
    ICML 2004.
    """
    scorer = Scorer(pool, method, threads, device)
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
