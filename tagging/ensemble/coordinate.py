"""Weights by coordinate search: shares move between candidates on a grid as long as the score rises."""

from __future__ import annotations

from tagging.ensemble.pool import Pool
from tagging.ensemble.selection import Selection


def search_weights(pool: Pool, start: Selection, *, grid: int = 40, threads: int = 1, device: str = "cpu") -> Selection:
    """Return better weights than those of `start`, by its own mean.

    Weights are multiples of 1 / grid. In each round every move of one or more shares from a member to
    another candidate is tried and the best taken, until none raises the CV lwlrap. The nested estimate
    starts, for each fold, from what `start` chose without it.
    """
    raise NotImplementedError
