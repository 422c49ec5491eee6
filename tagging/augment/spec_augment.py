"""SpecAugment (Park et al., 2019) without time warping: bands and spans of time are blanked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import Draws, below, happens, uniform
from tagging.features.in_cache import pieces


@dataclass(frozen=True)
class MaskDraws(Draws):
    """K frequency and K time masks for each of V views, all [V, K] int64; a width of 0 masks nothing."""

    band: Tensor
    band_width: Tensor
    frame: Tensor
    frame_width: Tensor


@dataclass(frozen=True)
class SpecAugment:
    """Masks views with probability `prob`: 1 to `max_masks` masks of each kind, up to these shares (0..1) wide."""

    prob: float
    max_masks: int
    freq_share: float
    time_share: float

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> MaskDraws:
        """Draw the masks of `count` views.

        With `prob` a view has 1 to `max_masks` rounds, equally likely, of one frequency and one time mask each.
        Their widths are U(0, freq_share) * n_mels bands and U(0, time_share) * frames frames, rounded down, their
        places uniform among those before the last possible one.
        """
        rounds = self.max_masks
        n_rounds = 1 + below(torch.full((count, 1), rounds), generator)
        happening = happens(count, self.prob, generator)[:, None] & (torch.arange(rounds) < n_rounds)
        band, band_width = _draw_spans(happening, n_mels, self.freq_share, generator)
        frame, frame_width = _draw_spans(happening, frames, self.time_share, generator)
        return MaskDraws(band, band_width, frame, frame_width)

    def apply(self, views: Tensor, draws: MaskDraws) -> Tensor:
        """Fill the masks of views [V, M, T] with each view's minimum before any masking, in place."""
        _, n_mels, frames = views.shape
        bands = _left(draws.band, draws.band_width, n_mels)[:, :, None]
        times = _left(draws.frame, draws.frame_width, frames)[:, None, :]
        for some, band, time in pieces(views, bands, times):
            fill = some.amin(dim=(1, 2), keepdim=True)
            # a weight of 0 or 1 picks exactly, and unlike torch.where a CPU does it by SIMD
            torch.lerp(fill, some, band * time, out=some)
        return views


def _draw_spans(happening: Tensor, size: int, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    width = (uniform(tuple(happening.shape), 0.0, fraction, generator) * size).long()
    # the original draws floor(U(0, size - width)): a mask never touches the last band or frame
    start = below((size - width).clamp(min=1), generator)
    return start, torch.where(happening, width, 0)


def _left(start: Tensor, width: Tensor, size: int) -> Tensor:
    """Return 0 for those of `size` places that any span [V, K] covers, else 1: [V, size] float32."""
    place = torch.arange(size, device=start.device)
    spans = (place >= start[..., None]) & (place < (start + width)[..., None])
    return (~spans.any(dim=1)).float()
