"""Gaussian noise on the log-mel picture, in dB."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import Draws, below, normal, some_rows, uniform
from tagging.features.in_cache import pieces


@dataclass(frozen=True)
class NoiseDraws(Draws):
    """The views that get noise (`rows` [R] int64), its standard deviation (`db` [R] float32), and the noise itself.

    The noise of a view is a window of `bank` ([2 M T] float32, standard normal), from `starts` [R] int64 on.
    """

    rows: Tensor
    db: Tensor
    starts: Tensor
    bank: Tensor


@dataclass(frozen=True)
class Noise:
    """Adds noise to views with probability `prob`; its standard deviation is at most `max_db` dB."""

    prob: float
    max_db: float

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> NoiseDraws:
        """Draw which of `count` views get noise, and how much: a standard deviation uniform in [0, max_db) dB.

        Within a view all numbers are independent. Views of a batch share a bank of twice the size of one, each
        from a place of its own: a number for each value of a batch would take as long as the rest of the batch.
        """
        rows = some_rows(count, self.prob, generator)
        size = n_mels * frames if len(rows) else 0
        return NoiseDraws(
            rows=rows,
            db=uniform((len(rows),), 0.0, self.max_db, generator).float(),
            starts=below(torch.full((len(rows),), size + 1), generator),
            bank=normal(2 * size, generator).float(),
        )

    def apply(self, views: Tensor, draws: NoiseDraws) -> Tensor:
        """Add the drawn noise to views [V, M, T] in dB, in place."""
        windows = draws.bank.unfold(0, len(draws.bank) // 2, 1)
        for rows, start, db in pieces(draws.rows, draws.starts, draws.db[:, None, None]):
            some = views.index_select(0, rows)
            noise = windows.index_select(0, start).view_as(some)
            views.index_copy_(0, rows, some.addcmul_(noise, db))
        return views
