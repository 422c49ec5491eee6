"""Second-level models of scikit-learn: a logistic regression or boosted trees for each class by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
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
    scale[scale == 0] = 1  # an input that never changes says nothing
    standard = (logits - mean) / scale
    weight = np.zeros((targets.shape[1], inputs.shape[1]))
    bias = logit(_shares(targets))
    for index in _learnable(targets):
        model = LogisticRegression(C=c, max_iter=_ITERATIONS).fit(standard, targets[:, index])
        weight[index], bias[index] = model.coef_[0], model.intercept_[0]
    return LogisticWeights(*(part.astype(np.float32) for part in (mean, scale, weight, bias)))


@dataclass(frozen=True)
class BoostedTrees:
    """Trees for each class that can be learned, and the share of the others, `shares` [C]."""

    trees: dict[int, HistGradientBoostingClassifier]
    shares: NDArray[np.float64]

    def predict(self, inputs: Floats) -> Floats:
        """Return the probabilities [n, C] float32 of inputs [n, F]."""
        found = np.tile(self.shares, (len(inputs), 1))
        for index, model in self.trees.items():
            found[:, index] = expit(model.decision_function(inputs))
        return found.astype(np.float32)


def fit_boosting(
    inputs: Floats, targets: Floats, rounds: int, leaves: int, min_leaf: int, rate: float, seed: int
) -> BoostedTrees:
    """Fit gradient-boosted trees for each class (Friedman 2001; histograms as in LightGBM, Ke et al. 2017).

    inputs [n, F] in 0..1, targets [n, C] 0/1; `rounds` trees of at most `leaves` leaves of at least `min_leaf` clips,
    each counted `rate`; `seed` below 2^32. Equal arguments give equal trees with equal numbers of threads. A class
    that all clips or none have gets its share of the clips, a half added to each side.
    """
    settings: dict[str, Any] = {"max_iter": rounds, "max_leaf_nodes": leaves, "min_samples_leaf": min_leaf}
    trees = {
        int(index): HistGradientBoostingClassifier(
            learning_rate=rate, early_stopping=False, random_state=seed, **settings
        ).fit(inputs, targets[:, index])
        for index in _learnable(targets)
    }
    return BoostedTrees(trees, _shares(targets))


def _learnable(targets: Floats) -> NDArray[np.int64]:
    counts = targets.sum(axis=0)
    return np.flatnonzero((counts > 0) & (counts < len(targets)))


def _shares(targets: Floats) -> NDArray[np.float64]:
    counts: NDArray[np.float64] = targets.sum(axis=0, dtype=np.float64)
    return (counts + 0.5) / (len(targets) + 1)
