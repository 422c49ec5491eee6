"""Random crops along time, and how a short clip is padded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import Draws, below, happens
from tagging.features.windows import centre_starts


@dataclass(frozen=True)
class CropDraws(Draws):
    """Where each of V views begins (`starts` [V] int64 frames, negative: padding) and whether it wraps.

    They are applied by features.windows.cut_windows.
    """

    starts: Tensor
    wrap: Tensor


def draw_crops(lengths: Tensor, size: int, wrap_prob: float, generator: torch.Generator) -> CropDraws:
    """Draw a crop of `size` frames out of clips of `lengths` [V] int64 frames.

    The start is uniform in 0 .. T - size. A shorter clip stands in the middle of its window; around it is
    its periodic continuation with `wrap_prob`, else its minimum. This is drawn for long clips too.
    """
    wrap = happens(len(lengths), wrap_prob, generator)
    starts = below((lengths - size + 1).clamp(min=1), generator)
    return CropDraws(torch.where(lengths < size, centre_starts(lengths, size), starts), wrap)
