"""What lwlrap asks of a mean: by how much each wrong or right class lies above or below a label.

A label's precision depends on which classes of its clip score at least as high. A class that every candidate
puts below the label stays below in every mean with weights >= 0, and one that none puts below stays above: only
the undecided pairs (label, class) have to be added up. Names: P labels that have undecided pairs, Q such pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.blend import FLOOR
from tagging.ensemble.pool import Method, Pool

# the sum over MOST_CANDIDATES fits 32 bits: 62 · ln(1e7) · 2^21 and 62 · 2^25 are both under 2^31
BITS: dict[Method, int] = {"geometric": 21, "arithmetic": 25}
MOST_CANDIDATES = 62
PRECISION_ONE = 2**40  # a precision of 1 in the sums: exact to 5e-13 a label, room for 8 million labels
_LABELS_AT_ONCE = 2048  # bounds the memory while pairs are collected


@dataclass(frozen=True)
class Pairs:
    """The undecided pairs of a pool, label by label, those with wrong classes first.

    difference int32 [N, Q]: class less label, fixed point. starts [P + 1], split [P]: label p owns the pairs
    starts[p] .. split[p] (wrong classes) and split[p] .. starts[p + 1] (other labels of its clip).
    wrong, right [P]: classes that are at least as high in every mean, the label itself among the right ones.
    clip, fold [P]. decided int64 [n]: what the labels without undecided pairs add to each clip's sum.
    """

    difference: NDArray[np.int32]
    starts: NDArray[np.int64]
    split: NDArray[np.int64]
    wrong: NDArray[np.int64]
    right: NDArray[np.int64]
    clip: NDArray[np.int64]
    fold: NDArray[np.int64]
    decided: NDArray[np.int64]


def fixed_point(pool: Pool, method: Method) -> NDArray[np.int32]:
    """Return what a mean adds up, [N, n, C]: logarithms floored at 1e-7 in 1 / 2^21, probabilities in 1 / 2^25.

    Integers, so that adding and removing a member leaves no trace. Probabilities that differ by less than
    5e-7 of themselves (geometric) or 3e-8 (arithmetic) may tie.
    """
    fixed = np.empty(pool.probabilities.shape, dtype=np.int32)
    for values, row in zip(pool.probabilities, fixed, strict=True):
        exact = values.astype(np.float64)
        summand = np.log(np.maximum(exact, FLOOR)) if method == "geometric" else exact
        row[:] = np.rint(summand * 2 ** BITS[method])
    return fixed


def precision_table(truth: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return right / (right + wrong) in units of 1 / PRECISION_ONE, [most labels of a clip + 1, C + 1]."""
    right = np.arange(truth.sum(axis=1).max() + 1)[:, None]
    wrong = np.arange(truth.shape[1] + 1)
    return np.rint(PRECISION_ONE * (right / np.maximum(right + wrong, 1))).astype(np.int64)


def undecided_pairs(pool: Pool, method: Method) -> Pairs:
    """Return the pairs that decide between the means of a pool, in the order of the folds."""
    fixed, table = fixed_point(pool, method), precision_table(pool.truth)
    order = np.argsort(pool.fold, kind="stable")
    clips, classes = np.nonzero(pool.truth[order])
    clips = order[clips]
    differences, counts, fixed_counts = [], [], []
    for begin in range(0, len(clips), _LABELS_AT_ONCE):
        part = slice(begin, begin + _LABELS_AT_ONCE)
        found = _of_labels(fixed, pool.truth, clips[part], classes[part])
        differences.append(found[0])
        counts.append(found[1])
        fixed_counts.append(found[2])
    wrong_pairs, right_pairs = np.concatenate(counts, axis=1)
    wrong, right = np.concatenate(fixed_counts, axis=1)
    open_ = wrong_pairs + right_pairs > 0
    decided = np.zeros(pool.clips, dtype=np.int64)
    np.add.at(decided, clips[~open_], table[right[~open_], wrong[~open_]])
    starts = np.concatenate([[0], np.cumsum((wrong_pairs + right_pairs)[open_])])
    return Pairs(
        difference=np.concatenate(differences, axis=1),
        starts=starts,
        split=starts[:-1] + wrong_pairs[open_],
        wrong=wrong[open_],
        right=right[open_],
        clip=clips[open_],
        fold=pool.fold[clips[open_]],
        decided=decided,
    )


def _of_labels(
    fixed: NDArray[np.int32], truth: NDArray[np.bool_], clips: NDArray[np.int64], classes: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Return differences [N, Q], numbers of undecided and of decided (wrong, right) classes [2, labels]."""
    differences = fixed[:, clips] - fixed[:, clips, classes][:, :, None]
    above = differences.min(axis=0) >= 0  # the label itself among them
    undecided = (differences.max(axis=0) >= 0) & ~above
    right = truth[clips]
    kinds = np.stack([undecided & ~right, undecided & right], axis=1)  # [labels, 2, C]
    label, _, other = np.nonzero(kinds)
    decided = np.stack([(above & ~right).sum(axis=1), (above & right).sum(axis=1)])
    return differences[:, label, other], kinds.sum(axis=2).T, decided
