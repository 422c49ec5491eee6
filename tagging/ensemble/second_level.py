"""Second-level models of scikit-learn: a logistic regression or boosted trees for each class by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float32]

SMALLEST = 2**-20  # probabilities are kept so far from 0 and 1 before their logit is taken, as in models.stacking
_ITERATIONS = 1000  # of L-BFGS, at most


@dataclass(frozen=True)
class LogisticWeights:
    """A logistic regression a class: `weight` [C, F], `bias` [C] on (logit(x) - `mean` [F]) / `scale` [F], float32."""

    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats


def fit_logistic(inputs: Floats, targets: Floats, c: float) -> LogisticWeights:
    """Fit one logistic regression a class on the standardised logits of probabilities.

    inputs [n, F] in 0..1, targets [n, C] 0/1, `c` the inverse of the L2 penalty. A class that all clips or none have
    gets its share of the clips, a half added to each side, whatever the inputs.
    """
    logits = logit(np.clip(inputs.astype(np.float64), SMALLEST, 1 - SMALLEST))
    mean, scale = logits.mean(axis=0), logits.std(axis=0)
    scale[scale == 0] = 1  # a constant input
    standard = (logits - mean) / scale
    weight = np.zeros((targets.shape[1], inputs.shape[1]))
    bias = logit(_shares(targets))
    for index in _learnable(targets):
        model = LogisticRegression(C=c, max_iter=_ITERATIONS).fit(standard, targets[:, index])
        weight[index], bias[index] = model.coef_[0], model.intercept_[0]
    return LogisticWeights(*(part.astype(np.float32) for part in (mean, scale, weight, bias)))


@dataclass(frozen=True)
class TreeWeights:
    """Trees a class, node by node, as `models.stacking.BoostedTrees` has them: [C, rounds, nodes], and `bias` [C]."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    bias: NDArray[np.float64]


def fit_boosting(
    inputs: Floats, targets: Floats, rounds: int, leaves: int, min_leaf: int, rate: float, seed: int
) -> TreeWeights:
    """Fit gradient-boosted trees for each class (Friedman 2001; histograms as in LightGBM, Ke et al. 2017).

    inputs [n, F] in 0..1, targets [n, C] 0/1; `rounds` trees of at most `leaves` leaves of at least `min_leaf` clips,
    each counted `rate`; `seed` below 2^32. Equal arguments give equal trees with equal numbers of threads. A class
    that all clips or none have gets its share of the clips, a half added to each side.
    """
    nodes = (targets.shape[1], rounds, 2 * leaves - 1)
    feature, left, right = (np.zeros(nodes, np.int64) for _ in range(3))
    threshold, value = np.zeros(nodes), np.zeros(nodes)
    bias = logit(_shares(targets))
    for index in _learnable(targets):
        model = HistGradientBoostingClassifier(
            learning_rate=rate,
            max_iter=rounds,
            max_leaf_nodes=leaves,
            min_samples_leaf=min_leaf,
            early_stopping=False,
            random_state=seed,
        ).fit(inputs, targets[:, index])
        # scikit-learn has no public door to its trees; a test holds these against its own predictions
        bias[index] = model._baseline_prediction.item()
        for tree, (predictor,) in enumerate(model._predictors):
            found, there = predictor.nodes, np.arange(len(predictor.nodes))
            leaf, place = found["is_leaf"] == 1, (index, tree, there)
            feature[place], threshold[place] = found["feature_idx"], found["num_threshold"]
            left[place], right[place] = np.where(leaf, there, found["left"]), np.where(leaf, there, found["right"])
            value[place] = found["value"]
    return TreeWeights(feature, threshold, left, right, value, bias)


def _learnable(targets: Floats) -> NDArray[np.int64]:
    counts = targets.sum(axis=0)
    return np.flatnonzero((counts > 0) & (counts < len(targets)))


def _shares(targets: Floats) -> NDArray[np.float64]:
    counts: NDArray[np.float64] = targets.sum(axis=0, dtype=np.float64)
    return (counts + 0.5) / (len(targets) + 1)
