"""What each candidate scores alone, and how alike candidates are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tagging.ensemble.pool import Pool
from tagging.metrics import lwlrap


def scores(pool: Pool) -> NDArray[np.float64]:
    """Return the CV lwlrap of every candidate [N], pooled over all labels."""
    return np.array([lwlrap(pool.truth, one) for one in pool.probabilities])


def correlation(pool: Pool) -> NDArray[np.float64]:
    """Return the rank correlation of each two candidates' probabilities [N, N], over all clips and classes.

    Spearman's, with ties at their mean rank; NaN where a candidate's probabilities are all the same.
    """
    ranks = np.stack([rankdata(one) for one in pool.probabilities.reshape(len(pool), -1)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.sqrt((ranks**2).sum(axis=1))
    products = np.outer(lengths, lengths)
    return np.divide(ranks @ ranks.T, products, out=np.full(products.shape, np.nan), where=products > 0)
