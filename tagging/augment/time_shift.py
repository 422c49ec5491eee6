"""Time shift: a view is rolled along time, its end comes round to its beginning."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import Draws, some_rows, up_to
from tagging.features.in_cache import pieces


@dataclass(frozen=True)
class TimeShiftDraws(Draws):
    """The views that are rolled (`rows` [R] int64), and by how many frames (`frames` [R] int64, positive: later)."""

    rows: Tensor
    frames: Tensor


@dataclass(frozen=True)
class TimeShift:
    """Rolls views along time with probability `prob`, by `max_share` (0..1) of their length at most."""

    prob: float
    max_share: float

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> TimeShiftDraws:
        """Draw which of `count` views of `frames` frames are rolled, and how far: uniform in -n .. n whole frames."""
        rows = some_rows(count, self.prob, generator)
        return TimeShiftDraws(rows, up_to(int(self.max_share * frames), len(rows), generator))

    def apply(self, views: Tensor, draws: TimeShiftDraws) -> Tensor:
        """Roll the drawn ones of views [V, M, T], in place."""
        time = torch.arange(views.shape[-1], device=views.device)
        source = (time - draws.frames[:, None]) % len(time)
        for rows, frame in pieces(draws.rows, source[:, None, :]):
            some = views.index_select(0, rows)
            views.index_copy_(0, rows, some.gather(2, frame.expand_as(some)))
        return views
