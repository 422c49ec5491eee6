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
UNSURE = -1


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


def class_thresholds(truth: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return from which probability on a clip counts as without and with each class [C, 2].

    That is the mean probability of being so among the clips that are labelled so; infinite where there is none.
    """
    labelled = np.stack([truth == 0, truth > 0], axis=2)  # [N, C, 2]
    counts = labelled.sum(axis=0)
    sums = np.where(labelled, _both(probabilities), 0).sum(axis=0)
    return np.divide(sums, counts, out=np.full(sums.shape, np.inf), where=counts > 0)


def _both(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities [N, C, 2] of being without and with each class."""
    return np.stack([1 - probabilities.astype(np.float64), probabilities], axis=2)


def confidently(truth: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return whether a clip confidently is with a class, 1, or without it, 0, [N, C]; UNSURE where neither.

    It is what its probability reaches the threshold of; where it reaches both, what is likelier.
    """
    both = _both(probabilities)
    reached = both >= class_thresholds(truth, probabilities) - MARGIN
    found = np.where(reached.all(axis=2), both.argmax(axis=2), reached.argmax(axis=2))
    return np.where(reached.any(axis=2), found, UNSURE)


def confident_joint(truth: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return how many clips are labelled i and confidently are j, for each class [C, 2, 2]; 0: without, 1: with it.

    The diagonal of a class is at least 1, so that none is empty.
    """
    with_it, found = truth > 0, confidently(truth, probabilities)
    joint = np.zeros((truth.shape[1], 2, 2), np.int64)
    for given in (0, 1):
        for true in (0, 1):
            joint[:, given, true] = ((with_it == bool(given)) & (found == true)).sum(axis=0)
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


def likely_labels(truth: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the labels [N, C] with those changed that a clip confidently has wrongly or lacks.

    A clip that would lose all of its labels gets its likeliest class.
    """
    found = confidently(truth, probabilities)
    likely = np.where(found == UNSURE, truth > 0, found == 1)
    top = np.arange(truth.shape[1]) == probabilities.argmax(axis=1)[:, None]
    return np.where(likely.any(axis=1, keepdims=True), likely, top)


def disagreement(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far M runs disagree about each clip [N], in bits, by their probabilities [M, N, C].

    That is the Jensen-Shannon divergence of their predictions, summed over classes; 0 of a clip for which all runs have
    the same likeliest class.
    """
    mean = probabilities.mean(axis=0, dtype=np.float64)
    apart = (_entropy(mean) - _entropy(probabilities.astype(np.float64)).mean(axis=0)).sum(axis=1)
    tops = probabilities.argmax(axis=2)
    return np.where((tops != tops[0]).any(axis=0), np.maximum(apart, 0), 0)


def _entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy in bits of being with or without a class, of probabilities of any shape."""
    inside = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))


def belief(
    labels: NDArray[np.float32], probabilities: NDArray[np.float32], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far the labels [n, C] of noisy clips are believed [n], in 0..1, by probabilities [n, C].

    That is the least probability of a clip's labels, where each of them, and no other class, reaches `thresholds` [C];
    else 0.
    """
    believed = ((probabilities >= thresholds - MARGIN) == (labels > 0)).all(axis=1)
    return np.where(believed, np.where(labels > 0, probabilities, 1.0).min(axis=1), 0)


def most_similar(
    vector: NDArray[np.float32], others: NDArray[np.float32], number: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of probabilities [N, C] with the largest cosine to `vector` [C], and the cosines, largest first.

    At most `number` rows; the cosines of probabilities lie in 0..1.
    """
    lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(vector)
    cosines = others @ vector / np.maximum(lengths, np.finfo(np.float32).tiny)
    order = np.argsort(-cosines, kind="stable")[:number]
    return order, cosines[order]
