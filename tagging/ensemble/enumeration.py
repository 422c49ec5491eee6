"""Exact enumeration: the CV lwlrap of every subset of a pool, and the best ones with their nested estimates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.blend import Blend
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.selection import Selection

MOST_SUBSETS = 2**26
# done, total, the best score so far (0..1) and its blend
Progress = Callable[[int, int, float, Blend], None]


@dataclass(frozen=True)
class Limits:
    """Which subsets are looked at: `smallest` to `largest` members, `must` (positions in the pool) always in.

    largest None: all candidates.
    """

    smallest: int = 1
    largest: int | None = None
    must: tuple[int, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """How many subsets there are, and how long they take at the rate of a short probe."""

    subsets: int
    subsets_per_s: float

    @property
    def seconds(self) -> float:
        """Time that the enumeration takes."""
        return self.subsets / self.subsets_per_s


@dataclass(frozen=True)
class Enumeration:
    """The best subsets of a pool by one mean.

    subsets: how many were looked at. by_size: the best subset of each size; any_size: of all. kept: the best
    `keep` subsets of every size, bool [T, N], all sizes together, highest score first; kept_scores [T].
    Of equal scores the smaller subset comes first, then the one whose members stand earlier in the pool.
    """

    method: Method
    subsets: int
    by_size: dict[int, Selection]
    any_size: Selection
    kept: NDArray[np.bool_]
    kept_scores: NDArray[np.float64]


def count_subsets(candidates: int, limits: Limits) -> int:
    """Return how many subsets of a pool of `candidates` keep to the limits.

    Raises ValueError where the limits leave none, or name a candidate that is not there.
    """
    raise NotImplementedError


def estimate(pool: Pool, method: Method, limits: Limits, threads: int = 1, device: str = "cpu") -> Estimate:
    """Return how long `enumerate_subsets` would take here, from a probe of about a second.

    Works for any number of subsets. Raises ValueError as `count_subsets` does.
    """
    raise NotImplementedError


def enumerate_subsets(
    pool: Pool,
    method: Method,
    limits: Limits,
    *,
    keep: int = 100,
    threads: int = 1,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Enumeration:
    """Score every subset within the limits by the lwlrap of its mean, and return the best.

    device: "cpu" (numba, `threads` threads) or a torch device ("cuda"); both give the same result to the
    bit. Raises ValueError as `count_subsets` does, on more than MOST_SUBSETS subsets and on more than 62
    candidates.
    """
    raise NotImplementedError
