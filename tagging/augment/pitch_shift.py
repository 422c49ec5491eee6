"""Pitch shift without the waveform: a view is moved along its mel axis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import Draws, some_rows, up_to
from tagging.features.in_cache import pieces


@dataclass(frozen=True)
class PitchShiftDraws(Draws):
    """The views that are moved (`rows` [R] int64), and by how many bands (`bands` [R] int64, positive: up)."""

    rows: Tensor
    bands: Tensor


@dataclass(frozen=True)
class PitchShift:
    """Moves views along the mel axis with probability `prob`, by `max_bands` mel bands at most."""

    prob: float
    max_bands: int

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> PitchShiftDraws:
        """Draw which of `count` views are moved, and how far: uniform in -max_bands .. max_bands whole bands."""
        rows = some_rows(count, self.prob, generator)
        return PitchShiftDraws(rows, up_to(self.max_bands, len(rows), generator))

    def apply(self, views: Tensor, draws: PitchShiftDraws) -> Tensor:
        """Move the drawn ones of views [V, M, T] along the mel axis, in place.

        Above 1 kHz the mel axis is nearly the logarithm of the frequency, so that there this is nearly a change
        of pitch, equal for all partials; below, the partials drift apart. The bands that come free hold the
        view's minimum, as padding does: to repeat the outermost band would be a sound that nobody made.
        """
        _, n_mels, frames = views.shape
        source = torch.arange(n_mels, device=views.device) - draws.bands[:, None]
        # a row of its own, after the bands, holds the minimum
        source = torch.where((source >= 0) & (source < n_mels), source, n_mels)
        for rows, band in pieces(draws.rows, source):
            some = views.index_select(0, rows)
            fill = some.amin(dim=(1, 2), keepdim=True).expand(-1, -1, frames)
            bands = torch.cat([some, fill], dim=1).view(-1, frames)
            first = (n_mels + 1) * torch.arange(len(some), device=views.device)
            moved = bands.index_select(0, (first[:, None] + band).flatten())
            views.index_copy_(0, rows, moved.view_as(some))
        return views
