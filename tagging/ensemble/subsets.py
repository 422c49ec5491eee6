"""Which subsets an enumeration goes through, and in what order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

LOW_MEMBERS = 6  # 64 low parts meet each high part at once; with 80 undecided pairs they fill 20 KB of the cache
Masks = NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """Which subsets are enumerated: `smallest` to `largest` members, `must` (positions in the pool) always in.

    largest None: all candidates.
    """

    smallest: int = 1
    largest: int | None = None
    must: tuple[int, ...] = ()

    def sizes(self, candidates: int) -> range:
        """Return the sizes there are in a pool of `candidates`.

        Raises ValueError where there are none, or where `must` names a candidate that is not there.
        """
        strangers = [position for position in self.must if not 0 <= position < candidates]
        if strangers or len(set(self.must)) < len(self.must):
            raise ValueError(f"must names different candidates out of 0 to {candidates - 1}: {list(self.must)}")
        largest = candidates if self.largest is None else min(self.largest, candidates)
        found = range(max(self.smallest, len(self.must), 1), largest + 1)
        if not found:
            raise ValueError(
                f"no subset of {candidates} candidates has {self.smallest} to "
                f"{candidates if self.largest is None else self.largest} members, {len(self.must)} of them given"
            )
        return found


def count_subsets(candidates: int, limits: Limits) -> int:
    """Return how many subsets of a pool of `candidates` keep to the limits; ValueError as `Limits.sizes`."""
    given = len(limits.must)
    return sum(comb(candidates - given, size - given) for size in limits.sizes(candidates))


@dataclass(frozen=True)
class Plan:
    """Subsets as bit masks (bit m = candidate m): `must`, joined with a high part and one of its low parts.

    low int64 [L]: by size, so that the low parts of allowed sizes are neighbours; previous, added [L]: low part i
    is low[previous[i]] and the member added[i]. high int64 [H], ascending, so that neighbours differ by two
    members on average; it meets low[first : last].
    """

    must: int
    low: Masks
    previous: NDArray[np.int64]
    added: NDArray[np.int64]
    high: Masks
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def chunks(self, subsets: int) -> Iterator[Plan]:
        """Cut the plan, in order, into plans of about so many subsets each."""
        ends = np.cumsum(self.last - self.first)
        cuts = np.searchsorted(ends, np.arange(subsets, ends[-1], subsets)) + 1
        for begin, end in zip([0, *cuts], [*cuts, len(self.high)], strict=True):
            if begin < end:
                part = slice(begin, end)
                parts = (self.high[part], self.first[part], self.last[part])
                yield Plan(self.must, self.low, self.previous, self.added, *parts)

    def masks(self) -> Masks:
        """Return the bit masks of all subsets, in the order in which they are gone through."""
        lows = self.last - self.first
        within = np.arange(lows.sum()) - np.repeat(np.cumsum(lows) - lows, lows)
        return self.must | np.repeat(self.high, lows) | self.low[np.repeat(self.first, lows) + within]


def plan(candidates: int, limits: Limits) -> Plan:
    """Return the plan of all subsets within the limits; it holds 24 bytes for each high part."""
    sizes = limits.sizes(candidates)
    free = [position for position in range(candidates) if position not in limits.must]
    smallest, largest = sizes[0] - len(limits.must), sizes[-1] - len(limits.must)
    low_members = free[max(0, len(free) - LOW_MEMBERS) :]
    high = _high_parts(free[: len(free) - len(low_members)], smallest - len(low_members), largest)
    low = _high_parts(low_members, 0, len(low_members))
    low = low[np.lexsort((low, np.bitwise_count(low)))]
    last_bit = np.array([int(mask).bit_length() - 1 for mask in low])
    without = low & ~np.where(low > 0, np.left_shift(1, np.maximum(last_bit, 0)), 0)
    place = {int(mask): index for index, mask in enumerate(low)}
    # where the low parts of each size begin
    size_starts = np.searchsorted(np.bitwise_count(low), np.arange(len(low_members) + 2))
    room = np.bitwise_count(high).astype(np.int64)
    return Plan(
        must=sum(1 << position for position in limits.must),
        low=low,
        previous=np.array([place[int(mask)] for mask in without]),
        added=np.maximum(last_bit, 0),
        high=high,
        first=size_starts[np.clip(smallest - room, 0, len(low_members))],
        last=size_starts[np.clip(largest - room, -1, len(low_members)) + 1],
    )


def members_of(masks: Masks, candidates: int) -> NDArray[np.bool_]:
    """Return bit masks [T] as rows of bool [T, N]."""
    return (masks[:, None] >> np.arange(candidates)) & 1 == 1


def _high_parts(positions: list[int], smallest: int, largest: int) -> Masks:
    """Return the masks, ascending, of all subsets of `positions` with `smallest` to `largest` members."""
    masks = np.zeros(1, dtype=np.int64)
    for index, position in enumerate(positions):
        masks = np.concatenate([masks, masks | (1 << position)])
        size, to_come = np.bitwise_count(masks).astype(np.int64), len(positions) - index - 1
        masks = masks[(size <= largest) & (size + to_come >= smallest)]
    return masks
