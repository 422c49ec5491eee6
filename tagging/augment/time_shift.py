"""Time shift: a view is rolled along time, its end comes round to its beginning."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import Draws, some_rows, up_to
from tagging.features.in_cache import pieces


@dataclass(frozen=True)
class TimeShiftSettings:
    """The share of views that are rolled, and how far at most, as a share of their length (0..1)."""

    prob: float
    max_share: float


@dataclass(frozen=True)
class TimeShiftDraws(Draws):
    """The views that are rolled (`rows` [R] int64), and by how many frames (`frames` [R] int64, positive: later)."""

    rows: Tensor
    frames: Tensor


def draw_time_shifts(
    count: int, frames: int, settings: TimeShiftSettings, generator: torch.Generator
) -> TimeShiftDraws:
    """Draw which of `count` views of `frames` frames are rolled, and how far: uniform in -n .. n whole frames."""
    rows = some_rows(count, settings.prob, generator)
    return TimeShiftDraws(rows, up_to(int(settings.max_share * frames), len(rows), generator))


def shift_time_(views: Tensor, draws: TimeShiftDraws) -> Tensor:
    """Roll the drawn ones of views [V, M, T], in place."""
    time = torch.arange(views.shape[-1], device=views.device)
    source = (time - draws.frames[:, None]) % len(time)
    for rows, frame in pieces(draws.rows, source[:, None, :]):
        some = views.index_select(0, rows)
        views.index_copy_(0, rows, some.gather(2, frame.expand_as(some)))
    return views
