"""FilterAugment (Nam, Kim and Park, ICASSP 2022): the mel axis is cut into bands that are made louder or softer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tagging.augment.draws import Draws, below, some_rows, uniform
from tagging.features.in_cache import pieces


@dataclass(frozen=True)
class FilterDraws(Draws):
    """The views that are filtered (`rows` [R] int64), and their filters of up to P bands.

    Band p has the mel bands `edges`[p] .. `edges`[p + 1] - 1 ([R, P + 1] int64; a filter of fewer has empty
    ones at the end), and a gain from `first` to `last` (both [R, P] float32 dB), those of its
    first and its last mel band.
    """

    rows: Tensor
    edges: Tensor
    first: Tensor
    last: Tensor


@dataclass(frozen=True)
class Filter:
    """Filters views with probability `prob`: gains in dB are added along the mel axis.

    `shape` linear: the gain runs in a straight line through each band; step: it is one number a band. A filter has
    `min_bands` to `max_bands` bands, each at least `min_width` mel bands wide, and gains up to ±`db`.
    """

    prob: float
    shape: Literal["linear", "step"]
    min_bands: int
    max_bands: int
    min_width: int
    db: float

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> FilterDraws:
        """Draw which of `count` views are filtered, and their filters.

        The number of bands is uniform, the edges lie anywhere that leaves each band its width (less where
        n_mels is too small for it), the gains are uniform. As published, but for two things: there all clips of
        a batch have the edges in common, and a step filter has settings of its own (2 to 4 bands, 4 wide).
        """
        rows = some_rows(count, self.prob, generator)
        bands = self.min_bands + below(torch.full((len(rows), 1), self.max_bands - self.min_bands + 1), generator)
        knots = uniform((len(rows), self.max_bands + 1), -self.db, self.db, generator).float()
        return FilterDraws(
            rows=rows,
            edges=self._draw_edges(bands, n_mels, generator),
            first=knots[:, :-1],
            last=knots[:, 1:] if self.shape == "linear" else knots[:, :-1],
        )

    def _draw_edges(self, bands: Tensor, n_mels: int, generator: torch.Generator) -> Tensor:
        """Draw the edges [R, P + 1] of filters of `bands` [R, 1] bands: sorted places in what the widths leave over."""
        inner = torch.arange(1, self.max_bands)
        width = (n_mels // bands).clamp(max=self.min_width)
        places = below((n_mels - bands * width + 1).expand(-1, len(inner)), generator)
        places = torch.where(inner < bands, places, n_mels).sort(dim=1)[0]
        edges = (places + inner * width).clamp(max=n_mels)
        return torch.cat([torch.zeros_like(bands), edges, torch.full_like(bands, n_mels)], dim=1)

    def apply(self, views: Tensor, draws: FilterDraws) -> Tensor:
        """Add the gains of the drawn filters to views [V, M, T] in dB, in place."""
        for rows, gain in pieces(draws.rows, band_gains(draws, views.shape[1])):
            views.index_copy_(0, rows, views.index_select(0, rows).add_(gain[:, :, None]))
        return views


def band_gains(draws: FilterDraws, n_mels: int) -> Tensor:
    """Return the gain of every mel band, [R, M] float32 dB."""
    mel = torch.arange(n_mels, device=draws.rows.device).expand(len(draws.rows), -1).contiguous()
    band = torch.searchsorted(draws.edges[:, 1:].contiguous(), mel, right=True)
    start, end = draws.edges.gather(1, band), draws.edges.gather(1, band + 1)
    share = (mel - start) / (end - start - 1).clamp(min=1)
    return torch.lerp(draws.first.gather(1, band), draws.last.gather(1, band), share)
