"""Label-weighted label-ranking average precision (lwlrap), accuracy and confusions, on NumPy arrays.

Names: truth [N, C] holds 1 where clip n carries class c and 0 elsewhere; scores [N, C] rank the classes
of a clip, higher is likelier. Only the order of the scores within a clip matters, never their scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def lwlrap(truth: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean, over all positive (clip, class) pairs, of the precision at the pair's rank.

    truth [N, C] 0/1, scores [N, C]; the result lies in (0, 1]. Ties count against the prediction: the
    rank of a class is the number of classes scored at least as high. Equal to scikit-learn's
    `label_ranking_average_precision_score` with the number of labels as weight of a clip.
    Raises ValueError on other shapes or values of truth, on scores that are not finite, and where no
    clip has a label. Fonseca et al., "Audio tagging with noisy labels and minimal supervision",
    DCASE 2019.
    """
    truth, scores = _checked(truth, scores)
    precision = _precisions(truth, scores)[2]
    if not len(precision):
        raise ValueError("lwlrap needs at least one clip with a label")
    return float(precision.mean())


def chance_lwlrap(truth: ArrayLike) -> float:
    """Return the lwlrap to expect of scores that are drawn at random.

    truth [N, C] 0/1 with a label or more. A label of a clip that has P of C classes takes each rank r with probability
    1 / C, and (r - 1)(P - 1)/(C - 1) of the clip's other labels are expected above it.
    """
    positives = np.asarray(truth).sum(axis=1)
    classes = np.asarray(truth).shape[1]
    first = (1 / np.arange(1, classes + 1)).mean()  # the mean of 1 / rank
    by_clip = first + (positives - 1) / max(classes - 1, 1) * (1 - first)
    return float(np.average(by_clip, weights=positives))


def lwlrap_per_class(truth: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Return the lwlrap of every class and the weight with which it enters the overall one.

    truth [N, C] 0/1, scores [N, C]. Returns (lwlrap [C], NaN where no clip carries the class,
    weight [C] = the class's share of all labels, 0 where there is none). Raises as `lwlrap` does.
    """
    truth, scores = _checked(truth, scores)
    _, classes, precision = _precisions(truth, scores)
    return _grouped_mean(classes, precision, truth.shape[1]), truth.sum(axis=0) / max(len(precision), 1)


def lwlrap_per_clip(truth: ArrayLike, scores: ArrayLike) -> Floats:
    """Return the mean precision over each clip's labels [N], NaN for a clip without labels.

    truth [N, C] 0/1, scores [N, C]. Raises ValueError as `lwlrap` does, save on missing labels.
    """
    truth, scores = _checked(truth, scores)
    clips, _, precision = _precisions(truth, scores)
    return _grouped_mean(clips, precision, truth.shape[0])


def bootstrap_lwlrap(
    truth: ArrayLike, scores: ArrayLike, samples: int, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the lwlrap of `samples` draws of N clips with replacement, overall [S] and of every class [S, C].

    truth [N, C] 0/1 with a label a clip, scores [N, C]. A class is NaN in a sample without a clip of it.
    Raises as `lwlrap` does. Efron, "Bootstrap methods: another look at the jackknife", Annals of
    Statistics 7(1), 1979.
    """
    truth, scores = _checked(truth, scores)
    clips, classes, precision = _precisions(truth, scores)
    if not len(precision):
        raise ValueError("lwlrap needs at least one clip with a label")
    precisions = np.zeros(truth.shape)
    precisions[clips, classes] = precision
    count = len(truth)
    draws = (generator.integers(count, size=count) for _ in range(samples))
    # lwlrap is a sum over clips divided by another, so a sample is how often each clip is in it
    times = np.stack([np.bincount(draw, minlength=count) for draw in draws]).astype(np.float64)
    sums, labels = times @ precisions, times @ truth
    by_class = np.divide(sums, labels, out=np.full(sums.shape, np.nan), where=labels > 0)
    return sums.sum(axis=1) / labels.sum(axis=1), by_class


def interval(samples: Floats, level: float = 0.95) -> Floats:
    """Return the bounds [2, ...] within which the middle `level` of samples [S, ...] lie, NaN where all are NaN.

    Samples that are NaN do not count. The percentile interval of the bootstrap.
    """
    bounds = np.full((2, *samples.shape[1:]), np.nan)
    known = ~np.isnan(samples).all(axis=0)
    tail = (1 - level) / 2
    bounds[:, known] = np.nanquantile(samples[:, known], [tail, 1 - tail], axis=0)
    return bounds


def is_single_label(truth: ArrayLike) -> bool:
    """Tell whether every clip of truth [N, C] carries exactly one label."""
    return bool((np.asarray(truth).sum(axis=1) == 1).all())


def accuracy(truth: ArrayLike, scores: ArrayLike) -> float:
    """Return the share of clips whose one label is scored above every other class, in 0..1.

    truth [N, C] 0/1 with one label a clip, scores [N, C]. As in `lwlrap`, a tie is an error of the
    prediction. Raises ValueError as `lwlrap` does, and where a clip has no or several labels.
    """
    truth, scores = _checked(truth, scores)
    if not len(truth) or not is_single_label(truth):
        raise ValueError("accuracy needs clips with exactly one label each")
    # with one label the precision is 1 / rank
    return float((_precisions(truth, scores)[2] == 1).mean())


def confused_pairs(truth: ArrayLike, scores: ArrayLike, top: int) -> list[tuple[int, int, int]]:
    """Return the `top` most frequent confusions as (true class, wrong class, number of labels).

    truth [N, C] 0/1, scores [N, C]. A label counts as confused with the highest scored class that the
    clip does not carry, where that is scored at least as high as the label. Most frequent first, equal
    counts in the order of the classes. Raises ValueError as `lwlrap` does, save on missing labels.
    """
    truth, scores = _checked(truth, scores)
    count = truth.shape[1]
    clips, classes = np.nonzero(truth)
    wrong_scores = np.where(truth, -np.inf, scores)
    wrong = wrong_scores.argmax(axis=1)[clips]
    outranked = wrong_scores[clips, wrong] >= scores[clips, classes]
    pairs, counts = np.unique(classes[outranked] * count + wrong[outranked], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:top]
    return [(int(pairs[i]) // count, int(pairs[i]) % count, int(counts[i])) for i in order]


def _checked(truth: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Return truth as bool and scores as float64, both [N, C]; ValueError if they cannot be ranked."""
    given, ranked = np.asarray(truth), np.asarray(scores, dtype=np.float64)
    if given.ndim != 2 or given.shape != ranked.shape:
        raise ValueError(f"truth and scores must be [clips, classes] alike: {given.shape}, {ranked.shape}")
    positive = given.astype(bool)
    if not (positive == given).all():
        raise ValueError("truth must hold nothing but 0 and 1")
    finite = np.isfinite(ranked).all(axis=1)
    if not finite.all():
        raise ValueError(f"scores of {(~finite).sum()} clips are not finite, first in row {finite.argmin()}")
    return positive, ranked


def _precisions(truth: NDArray[np.bool_], scores: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return (clip [P], class [P], precision at its rank [P]) of the P positives, clip by clip."""
    clips, classes = np.nonzero(truth)
    at_least = scores[clips] >= scores[clips, classes][:, None]
    hits = (at_least & truth[clips]).sum(axis=1)
    return clips, classes, hits / at_least.sum(axis=1)


def _grouped_mean(groups: NDArray[np.int64], values: Floats, size: int) -> Floats:
    """Return the mean of `values` in each of `size` groups, NaN where a group has none."""
    counts = np.bincount(groups, minlength=size)
    sums = np.bincount(groups, weights=values, minlength=size)
    return np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
