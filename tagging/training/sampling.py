"""Which clips a batch is made of: sources by their probability, clips at random within a source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tagging.sources import CURATED, NOISY, TRUSTED

_TOLERANCE = 1e-6


class SourcePools:
    """The clips of each source and how often a source is drawn.

    `pools` maps a source to its clip indices, int64; `probabilities` maps it to its share of the draws.
    Raises ValueError where these do not sum to 1, one is negative, or a source to be drawn has no clips.
    """

    def __init__(self, pools: dict[int, Tensor], probabilities: dict[int, float]) -> None:
        if min(probabilities.values()) < 0 or abs(sum(probabilities.values()) - 1) > _TOLERANCE:
            raise ValueError(f"the probabilities of the sources must sum to 1: {probabilities}")
        drawn = [source for source, share in sorted(probabilities.items()) if share > 0]
        for source in drawn:
            if source not in pools or len(pools[source]) == 0:
                raise ValueError(f"source {source} is drawn with {probabilities[source]} but has no clips")
        self._sources = torch.tensor(drawn)
        shares = torch.tensor([probabilities[source] for source in drawn], dtype=torch.float64)
        self._bounds = shares.cumsum(0) / shares.cumsum(0)[-1]  # the last one exactly 1
        self._clips = torch.cat([pools[source].cpu() for source in drawn])
        self._sizes = torch.tensor([len(pools[source]) for source in drawn])
        self._first = self._sizes.cumsum(0) - self._sizes

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `count` clips with replacement: the source by its probability, then a clip of it.

        Returns clips and sources, both int64 [count] on the CPU.
        """
        place = torch.rand(count, generator=generator, dtype=torch.float64)
        slot = torch.searchsorted(self._bounds, place, right=True)
        return self._draw_within(slot, generator), self._sources[slot]

    def partners(self, sources: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one clip [B] from each of `sources` [B] int64; it may be any, the row's own included."""
        return self._draw_within(torch.searchsorted(self._sources, sources), generator)

    def _draw_within(self, slot: Tensor, generator: torch.Generator) -> Tensor:
        place = torch.rand(len(slot), generator=generator, dtype=torch.float64)
        return self._clips[self._first[slot] + (place * self._sizes[slot]).long()]


@dataclass(frozen=True)
class SourceRows:
    """Which rows of a table of log-mels are which clips, and what each fold may do with them.

    `curated` [N] and `noisy` [M] are rows, int64. `folds` [N] is each curated clip's fold and `removed` [N] bool marks
    those that no fold trains on; `noisy_pool` and `trusted` [M] bool mark the clips of these two sources.
    """

    curated: np.ndarray
    noisy: np.ndarray
    folds: np.ndarray
    removed: np.ndarray
    noisy_pool: np.ndarray
    trusted: np.ndarray

    def pools(self, fold: int) -> dict[int, np.ndarray]:
        """Return the rows that a fold's draws come from, int64, by source."""
        return {
            CURATED: self.curated[(self.folds != fold) & ~self.removed],
            NOISY: self.noisy[self.noisy_pool],
            TRUSTED: self.noisy[self.trusted],
        }

    def held_out(self, fold: int) -> np.ndarray:
        """Return the rows that a fold is validated on, those that are removed left out."""
        return self.curated[(self.folds == fold) & ~self.removed]
