"""What makes a run unlikely to be of use: it says the same of every clip, or lies far below the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from tagging.metrics import chance_lwlrap
from tagging.report.wording import count

CONSTANT = "each of its folds says the same of every clip, so it has learnt nothing"
ALIKE = 1e-5  # of a fold's largest probability: what rounding brings about
LEARNT = 0.25  # of the way from chance to 1


def predicts_constant(probabilities: np.ndarray, folds: np.ndarray) -> bool:
    """Tell whether each fold says the same of all clips that it holds out; folds of one clip tell nothing.

    probabilities [N, C] in [0, 1], folds [N].
    """
    numbers, clips = np.unique(folds, return_counts=True)
    spoken = [probabilities[folds == fold] for fold in numbers[clips > 1]]
    return bool(spoken) and all(np.ptp(said, axis=0).max() <= ALIKE * said.max() for said in spoken)


def far_below(score: float, others: Sequence[float], truth: np.ndarray) -> str:
    """Say that a CV lwlrap is far below those of other runs on the same clips, whose labels are truth [N, C].

    Far below is less than half as far above chance as their median. Nothing is said where that tells little: without
    others, where their median is not a quarter of the way from chance to 1, and where the two lie less than 1 / sqrt(N)
    apart, more than three standard deviations of the CV of scores drawn at random (one label a clip).
    """
    if not others:
        return ""
    usual, chance = median(others), chance_lwlrap(truth)
    learnt = usual - chance
    if learnt < LEARNT * (1 - chance) or score - chance >= learnt / 2 or usual - score < 1 / math.sqrt(len(truth)):
        return ""
    runs = "that of the other run" if len(others) == 1 else f"the median of the {count(len(others), 'other run')}"
    return f"CV lwlrap {score:.4f} is far below {runs} on these clips, {usual:.4f}; chance is {chance:.4f}"
