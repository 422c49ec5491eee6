"""Greedy selection with replacement: for pools too large to enumerate, and for weights."""

from __future__ import annotations

from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.selection import Selection


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
    replacement) and keeps the best size on the way. bags > 0: repeated on that many random halves of the
    candidates, counts added up; 0: once, on all. Caruana et al., "Ensemble selection from libraries of
    models", ICML 2004.
    """
    raise NotImplementedError
