"""The loops behind `scoring`, compiled by numba, whose import takes a second.

For each label they count the classes that a mean scores at least as high (`pairs.Pairs`), and add the label's
precision, an integer: the result depends neither on the order nor on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from tagging.ensemble.subsets import members_of

_compiled: Any = njit(cache=True)  # Any: numba's own types say that a compiled function takes nothing
_compiled_parallel: Any = njit(parallel=True, cache=True)
BLOCK = 128  # high parts that a thread takes at once: their sums over 64 low parts fill 64 KB of the cache
ROWS = 64  # rows of weights that a thread takes at once: for fewer, waiting for another costs more than it brings


def use_threads(number: int) -> None:
    """Let the loops run on at most so many threads."""
    numba.set_num_threads(max(1, min(number, numba.config.NUMBA_NUM_THREADS)))  # type: ignore[attr-defined] # set at run time


def changes(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return how each row of counts follows from the one before it in its block: (starts [S + 1], member, change)."""
    before = np.concatenate([np.zeros_like(counts[:1]), counts[:-1]])
    before[::ROWS] = 0
    row, member = np.nonzero(counts - before)
    change = (counts - before)[row, member].astype(np.float64)
    return np.searchsorted(row, np.arange(len(counts) + 1)), member, change


def toggles(high: NDArray[np.int64], candidates: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how each high part follows from the one before it in its block: (starts [H + 1], toggled).

    Member m comes in as m and goes out as -1 - m; the first of a block follows from the empty one.
    """
    before = np.concatenate([[0], high[:-1]])
    before[::BLOCK] = 0
    part, member = np.nonzero(members_of(high ^ before, candidates))
    comes = (high[part] >> member) & 1 == 1
    return np.searchsorted(part, np.arange(len(high) + 1)), np.where(comes, member, -1 - member)


@_compiled_parallel
def sums_of_weights(
    difference: Any,
    starts: Any,
    split: Any,
    wrong: Any,
    right: Any,
    table: Any,
    clip: Any,
    change_starts: Any,
    member: Any,
    change: Any,
    out: Any,
) -> None:
    """Add to out [S, n] the precisions of each clip's labels under every row of weights.

    change_starts, member, change: from `changes`; a greedy step or a move changes two members at a time.
    """
    widest = np.max(starts[1:] - starts[:-1])
    for block in prange((len(out) + ROWS - 1) // ROWS):
        above = np.empty(widest, np.float64)  # integers below 2^53, so exact
        for label in range(len(split)):
            begin, width = starts[label], starts[label + 1] - starts[label]
            middle = split[label] - begin
            above[:width] = 0
            for row in range(block * ROWS, min((block + 1) * ROWS, len(out))):
                for index in range(change_starts[row], change_starts[row + 1]):
                    values = difference[member[index], begin : begin + width]
                    for pair in range(width):
                        above[pair] += change[index] * values[pair]
                more_wrong, more_right = _reached(above, 0, middle), _reached(above, middle, width)
                out[row, clip[label]] += table[right[label] + more_right, wrong[label] + more_wrong]


@_compiled_parallel
def sums_of_subsets(
    difference: Any,
    starts: Any,
    split: Any,
    wrong: Any,
    right: Any,
    table: Any,
    fold: Any,
    must: Any,
    previous: Any,
    added: Any,
    toggle_starts: Any,
    toggled: Any,
    first: Any,
    last: Any,
    out_starts: Any,
    out: Any,
) -> None:
    """Add to out [K, S] the precisions of each fold's labels under every subset of a `Plan`.

    must [Q]: the sum over the members that are always in. toggle_starts, toggled: from `toggles`. The sums of
    high part h with its low parts stand in out from out_starts[h] on.
    """
    lows, highs = len(previous), len(first)
    widest = np.max(starts[1:] - starts[:-1])
    for block in prange((highs + BLOCK - 1) // BLOCK):
        low = np.empty((widest, lows), np.int32)
        needed = np.empty(widest, np.int32)
        more_wrong = np.empty(lows, np.int32)
        more_right = np.empty(lows, np.int32)
        for label in range(len(split)):
            begin, width = starts[label], starts[label + 1] - starts[label]
            middle = split[label] - begin
            for pair in range(width):
                low[pair, 0] = must[begin + pair]
                for i in range(1, lows):
                    low[pair, i] = low[pair, previous[i]] + difference[added[i], begin + pair]
            needed[:width] = 0
            row = out[fold[label]]
            for high in range(block * BLOCK, min((block + 1) * BLOCK, highs)):
                for change in range(toggle_starts[high], toggle_starts[high + 1]):
                    _toggle(needed, difference, toggled[change], begin, width)
                begin_low, end_low, place = first[high], last[high], out_starts[high]
                _count(low, needed, 0, middle, begin_low, end_low, more_wrong)
                if middle == width:  # most clips have one label
                    precisions = table[right[label], wrong[label] :]
                    for i in range(end_low - begin_low):
                        row[place + i] += precisions[more_wrong[i]]
                else:
                    _count(low, needed, middle, width, begin_low, end_low, more_right)
                    for i in range(end_low - begin_low):
                        row[place + i] += table[right[label] + more_right[i], wrong[label] + more_wrong[i]]


@_compiled
def _reached(above: Any, begin: int, end: int) -> int:
    """Count the pairs begin .. end whose sum is at least 0; a loop, since a mask would be allocated each time."""
    number = 0
    for pair in range(begin, end):
        number += above[pair] >= 0
    return number


@_compiled
def _toggle(needed: Any, difference: Any, change: int, begin: int, width: int) -> None:
    """Lower what the low part needs by the member that comes in, or raise it by the one that goes out."""
    if change >= 0:
        values = difference[change, begin : begin + width]
        for pair in range(width):
            needed[pair] -= values[pair]
    else:
        values = difference[-1 - change, begin : begin + width]
        for pair in range(width):
            needed[pair] += values[pair]


@_compiled
def _count(low: Any, needed: Any, begin: int, end: int, first: int, last: int, out: Any) -> None:
    """Count, for each low part, the pairs begin .. end that reach what is needed.

    Four pairs at a time, so that counts are read and written a fourth as often; with AVX-512 an instruction
    compares 16 low parts.
    """
    lows = last - first
    out[:lows] = 0
    fours = begin + (end - begin) // 4 * 4
    for pair in range(begin, fours, 4):
        a, b, c, d = needed[pair], needed[pair + 1], needed[pair + 2], needed[pair + 3]
        low_a, low_b = low[pair, first:last], low[pair + 1, first:last]
        low_c, low_d = low[pair + 2, first:last], low[pair + 3, first:last]
        for i in range(lows):
            out[i] += (
                np.int32(low_a[i] >= a) + np.int32(low_b[i] >= b) + np.int32(low_c[i] >= c) + np.int32(low_d[i] >= d)
            )
    for pair in range(fours, end):
        limit, values = needed[pair], low[pair, first:last]
        for i in range(lows):
            out[i] += np.int32(values[i] >= limit)
