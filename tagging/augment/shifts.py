"""Shifts of views: along time, where the end comes round to the beginning, and along the mel axis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import Draws, some_rows, up_to
from tagging.features.in_cache import pieces


@dataclass(frozen=True)
class ShiftDraws(Draws):
    """The views that are shifted (`rows` [R] int64), and by how many frames or bands (`by` [R] int64, later or up)."""

    rows: Tensor
    by: Tensor


@dataclass(frozen=True)
class TimeShift:
    """Rolls views along time with probability `prob`, by `max_share` (0..1) of their length at most."""

    prob: float
    max_share: float

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> ShiftDraws:
        """Draw which of `count` views of `frames` frames are rolled, and how far: uniform in -n .. n whole frames."""
        rows = some_rows(count, self.prob, generator)
        return ShiftDraws(rows, up_to(int(self.max_share * frames), len(rows), generator))

    def apply(self, views: Tensor, draws: ShiftDraws) -> Tensor:
        """Roll the drawn ones of views [V, M, T], in place."""
        time = torch.arange(views.shape[-1], device=views.device)
        source = (time - draws.by[:, None]) % len(time)
        for rows, frame in pieces(draws.rows, source[:, None, :]):
            some = views.index_select(0, rows)
            views.index_copy_(0, rows, some.gather(2, frame.expand_as(some)))
        return views


@dataclass(frozen=True)
class PitchShift:
    """Moves views along the mel axis with probability `prob`, by `max_bands` mel bands at most."""

    prob: float
    max_bands: int

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> ShiftDraws:
        """Draw which of `count` views are moved, and how far: uniform in -max_bands .. max_bands whole bands."""
        rows = some_rows(count, self.prob, generator)
        return ShiftDraws(rows, up_to(self.max_bands, len(rows), generator))

    def apply(self, views: Tensor, draws: ShiftDraws) -> Tensor:
        """Move the drawn ones of views [V, M, T] along the mel axis, in place.

        Above 1 kHz the mel axis is nearly the logarithm of the frequency, so that there this is nearly a change
        of pitch, equal for all partials; below, the partials drift apart. The bands that come free hold the
        view's minimum, as padding does: to repeat the outermost band would be a sound that nobody made.
        """
        _, n_mels, frames = views.shape
        source = torch.arange(n_mels, device=views.device) - draws.by[:, None]
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
