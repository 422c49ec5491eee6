"""Exact enumeration: the CV lwlrap of every subset of a pool, and the best ones with their nested estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.blend import Blend
from tagging.ensemble.pairs import MOST_CANDIDATES
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.scoring import Scorer, views
from tagging.ensemble.selection import Selection
from tagging.ensemble.subsets import Limits, count_subsets, members_of, plan

MOST_SUBSETS = 2**26
_AT_ONCE = 2**17  # subsets between two reports: their sums of five folds fill 5 MB
Masks = NDArray[np.int64]
Sums = NDArray[np.int64]
Subset = tuple[int, Sums]  # a bit mask and the sum of each fold [K]
# done, total, the best score so far (0..1) and its blend
Progress = Callable[[int, int, float, Blend], None]


@dataclass(frozen=True)
class Enumeration:
    """The best subsets of a pool by one mean.

    subsets: how many were scored. by_size: the best subset of each size; any_size: of all. kept: the best
    `keep` subsets of every size, bool [T, N], all sizes together, highest score first.
    Of equal scores the smaller subset comes first, then the one whose last member stands earlier in the pool.
    """

    method: Method
    subsets: int
    by_size: dict[int, Selection]
    any_size: Selection
    kept: NDArray[np.bool_]


def enumerate_subsets(
    pool: Pool,
    method: Method,
    limits: Limits,
    *,
    keep: int = 100,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Enumeration:
    """Score every subset within the limits by the lwlrap of its mean, and return the best.

    The nested estimate of a size is of choosing the best subset of that size, that of any size of choosing the best
    of all. The result is the same for any number of `threads`. Raises ValueError as `count_subsets` does, on more
    than MOST_SUBSETS subsets and on more than MOST_CANDIDATES candidates.
    """
    total = count_subsets(len(pool), limits)
    if total > MOST_SUBSETS or len(pool) > MOST_CANDIDATES:
        raise ValueError(
            f"{total:,} subsets of {len(pool)} candidates are too many to enumerate: "
            f"at most {MOST_SUBSETS:,} subsets of {MOST_CANDIDATES} candidates"
        )
    scorer, best, done = Scorer(pool, method, threads), Best(len(pool.folds), keep), 0
    for part in plan(len(pool), limits).chunks(_AT_ONCE):
        masks = part.masks()
        best.update(masks, scorer.subset_sums(part))
        done += len(masks)
        if progress:
            mask, sums = best.any_size()[0]
            progress(done, total, scorer.lwlrap(sums), _blends([mask], method, len(pool))[0])
    return Enumeration(
        method=method,
        subsets=total,
        by_size={size: _selection(scorer, best.of_size(size)) for size in best.sizes},
        any_size=_selection(scorer, best.any_size()),
        kept=members_of(best.kept(), len(pool)),
    )


def _selection(scorer: Scorer, found: list[Subset]) -> Selection:
    blends = _blends([mask for mask, _ in found], scorer.method, len(scorer.pool))
    return scorer.selection(blends[0], blends[1:])


def _blends(masks: Sequence[int], method: Method, candidates: int) -> list[Blend]:
    rows = members_of(np.array(masks, dtype=np.int64), candidates)
    return [Blend(method, tuple(row)) for row in rows.astype(int).tolist()]


class Best:
    """Best subsets of each size. Of equal sums the lowest mask wins, whatever the order of arrival.

    For every size: the best on all folds and the best without fold k, for each k, from the sums of the folds
    alone; and the `keep` best on all folds.
    """

    def __init__(self, folds: int, keep: int) -> None:
        self._views, self._keep = views(folds).astype(np.int64), keep
        self._of_size: dict[int, list[Subset]] = {}
        self._kept: dict[int, tuple[Masks, Sums]] = {}

    @property
    def sizes(self) -> list[int]:
        """Sizes of the subsets so far."""
        return sorted(self._of_size)

    def update(self, masks: Masks, sums: Sums) -> None:
        """Take in subsets: bit masks [S] and their sums [K, S]."""
        sizes = np.bitwise_count(masks)
        for size in np.unique(sizes).tolist():
            of_size = np.flatnonzero(sizes == size)
            self._update(size, masks[of_size], sums[:, of_size])

    def of_size(self, size: int) -> list[Subset]:
        """Return the best subset of a size on all folds, then the best without fold k for each k."""
        return self._of_size[size]

    def any_size(self) -> list[Subset]:
        """Return the best subset of all sizes on all folds, then without fold k for each k; smaller ones first."""
        found = []
        for view, of_view in enumerate(self._views):
            totals = [int(of_view @ self._of_size[size][view][1]) for size in self.sizes]
            found.append(self._of_size[self.sizes[int(np.argmax(totals))]][view])
        return found

    def kept(self) -> Masks:
        """Return the masks [T] kept of every size, the highest total first."""
        masks = np.concatenate([self._kept[size][0] for size in self.sizes])
        sums = np.concatenate([self._kept[size][1] for size in self.sizes], axis=1)
        order = np.lexsort((masks, np.bitwise_count(masks), -sums.sum(axis=0)))
        return masks[order]

    def _update(self, size: int, masks: Masks, sums: Sums) -> None:
        totals = self._views @ sums
        new = [_highest(masks, sums, of_view) for of_view in totals]
        if size in self._of_size:
            pairs = zip(self._of_size[size], new, self._views, strict=True)
            new = [min(old, now, key=lambda found: (-int(view @ found[1]), found[0])) for old, now, view in pairs]
            kept_masks, kept_sums = self._kept[size]
            masks, sums = np.concatenate([kept_masks, masks]), np.concatenate([kept_sums, sums], axis=1)
        self._of_size[size] = new
        self._kept[size] = _first(masks, sums, self._keep)


def _highest(masks: Masks, sums: Sums, totals: Sums) -> Subset:
    """Return the subset of the highest total, of equal ones the lowest mask."""
    equal = np.flatnonzero(totals == totals.max())
    index = equal[masks[equal].argmin()]
    return int(masks[index]), sums[:, index]


def _first(masks: Masks, sums: Sums, number: int) -> tuple[Masks, Sums]:
    """Return the subsets of the highest totals, at most `number`, of equal ones the lower masks first."""
    totals = sums.sum(axis=0)
    if len(masks) > number:  # all that could be among them, before they are sorted
        worst = np.partition(totals, -number)[-number]
        able = totals >= worst
        masks, sums, totals = masks[able], sums[:, able], totals[able]
    order = np.lexsort((masks, -totals))[:number]
    return masks[order], sums[:, order]
