"""Which labels are probably wrong, by confident learning on probabilities of networks that did not train on the clip.

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", Journal of Artificial
Intelligence Research 70, 2021. Clips may carry several labels, so each class is a yes or no of its own, as in
Thyagarajan, Snorrason, Northcutt and Mueller, "Identifying incorrect annotations in multi-label classification data",
2022.

Names: truth [N, C] holds 1 where clip n is labelled with class c and 0 elsewhere; probabilities [N, C] in 0..1 are out
of fold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORST_WEIGHT = 0.8  # of each next worse class in the mean over the classes of a clip
MARGIN = 1e-6  # below a threshold still counts as reaching it


def label_quality(truth: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far the labels of each clip can be trusted [N], in 0..1, the lowest for the most suspicious.

    The probability of what each class says of a clip, label or none, averaged over classes from the best to the worst
    so that the worst counts most: an exponential moving average.
    """
    right = np.where(truth > 0, probabilities, 1 - probabilities.astype(np.float64))
    ordered = -np.sort(-right, axis=1)  # the best first
    steps = np.arange(ordered.shape[1] - 1, -1, -1)
    weights = WORST_WEIGHT * (1 - WORST_WEIGHT) ** steps
    weights[0] = (1 - WORST_WEIGHT) ** steps[0]
    return ordered @ weights


def confident_joint(truth: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return how many clips are labelled i and confidently are j, for each class [C, 2, 2]; 0: without, 1: with it.

    A clip confidently is what its probability reaches the mean probability of among the clips labelled so; where it
    reaches both, what is likelier. The diagonal of a class is at least 1, so that none is empty.
    """
    with_it = truth > 0
    both = np.stack([1 - probabilities.astype(np.float64), probabilities], axis=2)  # [N, C, 2]
    labelled = np.stack([~with_it, with_it], axis=2)
    counts = labelled.sum(axis=0)
    sums = np.where(labelled, both, 0).sum(axis=0)
    thresholds = np.divide(sums, counts, out=np.full(sums.shape, np.inf), where=counts > 0)  # [C, 2]
    reached = both >= thresholds - MARGIN
    confident = np.where(reached.all(axis=2), both.argmax(axis=2), reached.argmax(axis=2))  # [N, C]
    counted = reached.any(axis=2)
    joint = np.zeros((truth.shape[1], 2, 2), np.int64)
    for given in (0, 1):
        for true in (0, 1):
            joint[:, given, true] = (counted & (with_it == bool(given)) & (confident == true)).sum(axis=0)
    for state in (0, 1):
        joint[:, state, state] = np.maximum(joint[:, state, state], 1)
    return joint


def expected_errors(truth: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how many clips are wrongly labelled with a class, and without it: estimates for each class [C, 2].

    The confident joint, scaled to the clips that are labelled so. Column 0: the clips that lack the class's label, 1:
    those that carry it wrongly.
    """
    joint = confident_joint(truth, probabilities).astype(np.float64)
    labelled = np.stack([(truth == 0).sum(axis=0), (truth > 0).sum(axis=0)], axis=1)  # [C, 2]
    shares = joint / joint.sum(axis=2, keepdims=True)
    return np.stack([shares[:, 0, 1] * labelled[:, 0], shares[:, 1, 0] * labelled[:, 1]], axis=1)
