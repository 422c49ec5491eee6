"""The best of very many subsets, kept while they go by: of each size, on all folds and without each one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.scoring import views

Masks = NDArray[np.int64]
Sums = NDArray[np.int64]
Subset = tuple[int, Sums]  # a bit mask and the sum of each fold [K]


class Best:
    """Best subsets of each size. Of equal sums the lowest mask wins, so that no order of arrival shows.

    For every size: the best on all folds and the best without fold k, for each k, from the sums of the folds
    alone; and the `keep` best on all folds.
    """

    def __init__(self, folds: int, keep: int) -> None:
        self._views, self._keep = views(folds).astype(np.int64), keep
        self._of_size: dict[int, list[Subset]] = {}
        self._kept: dict[int, tuple[Masks, Sums]] = {}

    @property
    def sizes(self) -> list[int]:
        """Sizes that have gone by."""
        return sorted(self._of_size)

    def update(self, masks: Masks, sums: Sums) -> None:
        """Let subsets go by: bit masks [S] and their sums [K, S]."""
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

    def kept(self) -> tuple[Masks, Sums]:
        """Return the masks [T] kept of every size and their sums [T, K], the highest first."""
        masks = np.concatenate([self._kept[size][0] for size in self.sizes])
        sums = np.concatenate([self._kept[size][1] for size in self.sizes], axis=1)
        order = np.lexsort((masks, np.bitwise_count(masks), -sums.sum(axis=0)))
        return masks[order], sums[:, order].T

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
