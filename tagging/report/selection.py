"""Pictures of a selection: how the score depends on size, how alike candidates are, what is chosen how often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


def score_by_size(
    title: str,
    sizes: Sequence[int],
    scores: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    nested: Sequence[float],
    chosen: int | None = None,
) -> Figure:
    """Draw the best CV lwlrap of every size with its bootstrap interval, and the nested estimate of that size.

    All in 0..1, one a size; `chosen` marks the size that was taken.
    """
    raise NotImplementedError


def correlations(title: str, names: Sequence[str], values: NDArray[np.float64]) -> Figure:
    """Draw the rank correlation [N, N] of each two candidates as a matrix with its numbers."""
    raise NotImplementedError


def chosen_share(title: str, names: Sequence[str], shares: NDArray[np.float64], members: Sequence[int]) -> Figure:
    """Draw in what share [N] of the bootstrap samples each candidate was chosen; `members` are those of the blend."""
    raise NotImplementedError
