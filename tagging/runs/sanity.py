"""Two signs of a failed training: equal probabilities for every clip, and a CV far below that of other runs."""

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
    """Tell whether each fold predicts the same for all its held-out clips; folds of one clip do not count.

    probabilities [N, C] in [0, 1], folds [N].
    """
    numbers, clips = np.unique(folds, return_counts=True)
    per_fold = [probabilities[folds == fold] for fold in numbers[clips > 1]]
    return bool(per_fold) and all(np.ptp(part, axis=0).max() <= ALIKE * part.max() for part in per_fold)


def far_below(score: float, others: Sequence[float], truth: np.ndarray) -> str:
    """Return a warning where a CV lwlrap is far below that of other runs on the same clips, with labels truth [N, C].

    Far below is less than half as far above chance as their median. Empty where the comparison means little: without
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
