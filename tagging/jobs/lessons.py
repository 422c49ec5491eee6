"""What a teacher says of the training clips, and how it is mixed into their targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Half:
    """The probabilities of n clips: their `rows` [n] in the store, the teacher's `share`, [n, C] float32 a fold."""

    rows: np.ndarray
    share: float
    said: Mapping[int, np.ndarray]


@dataclass(frozen=True)
class Lessons:
    """The halves that a teacher speaks of; `digest`, a sha256, stands for its run and all that it says."""

    digest: str
    halves: tuple[Half, ...]

    def targets(self, labels: Tensor, fold: int) -> Tensor:
        """Return the targets [rows of the store, C] of a fold's training: (1 - share) · label + share · probability.

        labels [rows of the store, C] in 0..1; rows that the teacher does not speak of keep them. Soft targets as in
        Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015, at temperature 1.
        """
        import torch  # here: most of what is asked of a teacher needs none

        targets = labels.clone()
        for half in self.halves:
            rows = torch.from_numpy(half.rows).to(labels.device)
            said = torch.from_numpy(half.said[fold]).to(labels.device)
            targets[rows] = torch.lerp(labels[rows], said, half.share)
        return targets
