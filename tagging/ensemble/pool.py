"""The candidates of an ensemble: their probabilities for the same clips and the true labels, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Method = Literal["geometric", "arithmetic"]
METHODS: tuple[Method, ...] = ("geometric", "arithmetic")


class Pool:
    """N candidates over the same n clips and C classes.

    names: N different names, for messages and pictures. probabilities: N arrays [n, C] in 0..1, out of
    fold, kept as float32 [N, n, C]. truth [n, C] 0/1. folds [n]: which fold held a clip out, any integers;
    kept as `fold` [n] in 0..K-1. Raises ValueError, all problems at once, each naming its candidate: other
    shapes, NaN, values outside 0..1, names that repeat, truth that is not 0/1 or holds no label, fewer
    than two folds.
    """

    def __init__(
        self, names: Sequence[str], probabilities: Sequence[ArrayLike], truth: ArrayLike, folds: ArrayLike
    ) -> None:
        self.names = tuple(names)
        self.truth = np.asarray(truth)
        given = [np.asarray(one, dtype=np.float32) for one in probabilities]
        known, self.fold = np.unique(np.asarray(folds), return_inverse=True)
        self.folds: tuple[int, ...] = tuple(int(fold) for fold in known)
        problems = [*self._problems(given), *_wrong_values(self.names, given, self.truth.shape)]
        if problems:
            raise ValueError("\n".join(problems))
        self.truth = self.truth.astype(bool)
        self.probabilities: NDArray[np.float32] = np.stack(given)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def clips(self) -> int:
        """Number of clips, n."""
        return len(self.truth)

    @property
    def labels_per_fold(self) -> NDArray[np.int64]:
        """Number of labels, that is of positive (clip, class) pairs, in each fold [K]."""
        return np.bincount(self.fold, weights=self.truth.sum(axis=1)).astype(np.int64)

    def _problems(self, given: Sequence[NDArray[np.float32]]) -> list[str]:
        """Return what is wrong with the pool as a whole."""
        problems = []
        if not given:
            problems.append("a pool needs at least one candidate")
        if len(given) != len(self.names):
            problems.append(f"{len(self.names)} names for {len(given)} candidates")
        if len(set(self.names)) < len(self.names):
            repeated = sorted({name for name in self.names if self.names.count(name) > 1})
            problems.append(f"names must differ, given more than once: {', '.join(repeated)}")
        if self.truth.ndim != 2 or not np.isin(self.truth, (0, 1)).all():
            problems.append("truth must be [clips, classes] of 0 and 1")
        elif not self.truth.any():
            problems.append("truth holds no label")
        if self.fold.shape != self.truth.shape[:1]:
            problems.append(f"folds must name one fold a clip: {self.fold.shape} for {len(self.truth)} clips")
        if len(self.folds) < 2:
            problems.append(f"at least two folds are needed, {len(self.folds)} given")
        return problems


def _wrong_values(names: Sequence[str], given: Sequence[NDArray[np.float32]], shape: tuple[int, ...]) -> list[str]:
    """Return a line for each candidate whose probabilities cannot be used."""
    problems = []
    for name, one in zip(names, given, strict=False):
        if one.shape != shape:
            problems.append(f"{name}: probabilities are {list(one.shape)}, the truth is {list(shape)}")
            continue
        bad = ~((one >= 0) & (one <= 1)).all(axis=1)  # NaN is neither
        if bad.any():
            what = "NaN" if np.isnan(one).any() else "values outside 0..1"
            problems.append(f"{name}: {what}; {bad.sum()} of {bad.size} clips are wrong, first in row {bad.argmax()}")
    return problems
