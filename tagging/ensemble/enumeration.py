"""Exact enumeration: the CV lwlrap of every subset of a pool, and the best ones with their nested estimates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.best import Best
from tagging.ensemble.blend import Blend
from tagging.ensemble.pairs import MOST_CANDIDATES
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.scoring import Scorer
from tagging.ensemble.selection import Selection
from tagging.ensemble.subsets import Limits, Plan, count_subsets, members_of, plan

MOST_SUBSETS = 2**26
_AT_ONCE = 2**17  # subsets between two reports: their sums of five folds fill 5 MB
_PROBE, _PROBED_OF = 2**13, 2**20  # subsets that a probe times, and that it takes them from at most
# done, total, the best score so far (0..1) and its blend
Progress = Callable[[int, int, float, Blend], None]


@dataclass(frozen=True)
class Estimate:
    """How many subsets there are, and how many a second a short probe went through."""

    subsets: int
    subsets_per_s: float

    @property
    def seconds(self) -> float:
        """Return the time that the enumeration takes at this rate."""
        return self.subsets / self.subsets_per_s


@dataclass(frozen=True)
class Enumeration:
    """The best subsets of a pool by one mean.

    subsets: how many were looked at. by_size: the best subset of each size; any_size: of all. kept: the best
    `keep` subsets of every size, bool [T, N], all sizes together, highest score first; kept_scores [T].
    Of equal scores the smaller subset comes first, then the one whose last member stands earlier in the pool.
    """

    method: Method
    subsets: int
    by_size: dict[int, Selection]
    any_size: Selection
    kept: NDArray[np.bool_]
    kept_scores: NDArray[np.float64]


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
    bit. The nested estimate of a size is of choosing the best subset of that size, that of any size of
    choosing the best of all. Raises ValueError as `count_subsets` does, on more than MOST_SUBSETS subsets
    and on more than MOST_CANDIDATES candidates.
    """
    total = count_subsets(len(pool), limits)
    if total > MOST_SUBSETS or len(pool) > MOST_CANDIDATES:
        raise ValueError(
            f"{total:,} subsets of {len(pool)} candidates are too many to enumerate: "
            f"at most {MOST_SUBSETS:,} subsets of {MOST_CANDIDATES} candidates"
        )
    scorer, best, done = Scorer(pool, method, threads, device), Best(len(pool.folds), keep), 0
    for part in plan(len(pool), limits).chunks(_AT_ONCE):
        masks = part.masks()
        best.update(masks, scorer.subset_sums(part))
        done += len(masks)
        if progress:
            mask, sums = best.any_size()[0]
            progress(done, total, scorer.lwlrap(sums), _blends([mask], method, len(pool))[0])
    kept, sums = best.kept()
    return Enumeration(
        method=method,
        subsets=total,
        by_size={size: _selection(scorer, best.of_size(size)) for size in best.sizes},
        any_size=_selection(scorer, best.any_size()),
        kept=members_of(kept, len(pool)),
        kept_scores=np.array([scorer.lwlrap(one) for one in sums]),
    )


def estimate(pool: Pool, method: Method, limits: Limits, threads: int = 1, device: str = "cpu") -> Estimate:
    """Return how long `enumerate_subsets` would take here, from a probe of some thousand subsets.

    Works for any number of subsets and candidates. Raises ValueError as `count_subsets` does.
    """
    total = count_subsets(len(pool), limits)
    part, probe = _probe(pool, limits)
    scorer = Scorer(part, method, threads, device)
    scorer.subset_sums(next(probe.chunks(1)))  # compiles
    started = time.perf_counter()
    scorer.subset_sums(probe)
    return Estimate(total, len(probe.masks()) / (time.perf_counter() - started))


def _probe(pool: Pool, limits: Limits) -> tuple[Pool, Plan]:
    """Return a pool that can be enumerated, the given members first, and some subsets of it."""
    others = [position for position in range(len(pool)) if position not in limits.must]
    part = pool.take([*limits.must, *others][:MOST_CANDIDATES])
    given = tuple(range(min(len(limits.must), MOST_CANDIDATES)))
    for candidates in range(len(part), 0, -1):
        smaller = Limits(min(limits.smallest, candidates), limits.largest, given)
        if count_subsets(candidates, smaller) <= _PROBED_OF:
            break
    return part, next(plan(candidates, smaller).chunks(_PROBE))


def _selection(scorer: Scorer, found: list[tuple[int, NDArray[np.int64]]]) -> Selection:
    blends = _blends([mask for mask, _ in found], scorer.method, len(scorer.pool))
    return scorer.selection(blends[0], blends[1:])


def _blends(masks: Sequence[int], method: Method, candidates: int) -> list[Blend]:
    rows = members_of(np.array(masks, dtype=np.int64), candidates)
    return [Blend(method, tuple(row)) for row in rows.astype(int).tolist()]
