"""The sums of `scoring` as tensor operations, for a GPU; on a CPU a slow second opinion of the same numbers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tagging.ensemble.pairs import fixed_point, precision_table
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.subsets import Plan, members_of

_VALUES_AT_ONCE = 2**26  # comparisons held at a time: 64 MB as bool, 0.5 GB of float64 sums


class TorchSums:
    """Sums of precisions under rows of weights, all classes of all labels compared, none left out."""

    def __init__(self, pool: Pool, method: Method, device: str) -> None:
        fixed = torch.from_numpy(fixed_point(pool, method)).to(device)
        # float64 holds these sums of integers exactly; CUDA has no matrix product of integers
        self._values = fixed.double().flatten(1)
        self._shape = pool.truth.shape
        truth = torch.from_numpy(pool.truth).to(device)
        self._clip, self._class = truth.nonzero(as_tuple=True)
        self._truth = truth[self._clip]
        self._table = torch.from_numpy(precision_table(pool.truth)).to(device)
        self._fold = torch.from_numpy(pool.fold).to(device)[self._clip]
        self._folds = len(pool.folds)

    def clip_sums(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the summed precisions of each clip [S, n] under each row of counts [S, N]."""
        return self._sums(counts, self._clip, self._shape[0])

    def subset_sums(self, plan: Plan) -> NDArray[np.int64]:
        """Return the summed precisions of each fold [K, S] under the equal mean of each subset of a plan."""
        counts = members_of(plan.masks(), len(self._values)).astype(np.int64)
        return np.ascontiguousarray(self._sums(counts, self._fold, self._folds).T)

    def _sums(self, counts: NDArray[np.int64], group: torch.Tensor, groups: int) -> NDArray[np.int64]:
        """Return the summed precisions [S, groups] of the labels of each group; group int64 [labels]."""
        rows = max(1, _VALUES_AT_ONCE // self._truth.numel())
        parts = []
        for weights in torch.from_numpy(counts).to(self._values).split(rows):
            sums = torch.zeros(len(weights), groups, dtype=torch.int64, device=weights.device)
            parts.append(sums.index_add_(1, group, self._precisions(weights)))
        return torch.cat(parts).cpu().numpy()

    def _precisions(self, weights: torch.Tensor) -> torch.Tensor:
        """Return the precision of each label [S, labels] under each row of weights [S, N]."""
        means = (weights @ self._values).unflatten(1, self._shape)
        at_least = means[:, self._clip] >= means[:, self._clip, self._class].unsqueeze(2)
        right = (at_least & self._truth).sum(2)
        return self._table[right, at_least.sum(2) - right]
