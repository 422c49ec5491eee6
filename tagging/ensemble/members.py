"""What the candidates are worth alone, and how alike they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagging.ensemble.pool import Pool


def scores(pool: Pool) -> NDArray[np.float64]:
    """Return the CV lwlrap of every candidate [N], pooled over all labels."""
    raise NotImplementedError


def fold_scores(pool: Pool) -> NDArray[np.float64]:
    """Return the lwlrap of every candidate on every fold [N, K], NaN for a fold without labels.

    Its standard deviation over axis 1 is the candidate's spread.
    """
    raise NotImplementedError


def correlation(pool: Pool) -> NDArray[np.float64]:
    """Return the rank correlation of each two candidates' probabilities [N, N], over all clips and classes.

    Spearman's, NaN where a candidate says the same of everything.
    """
    raise NotImplementedError
