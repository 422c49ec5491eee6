"""One augmented look at a clip: pad, crop, resize, mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.crop import CropDraws, draw_crops
from tagging.augment.resized_crop import ResizedCropDraws, draw_resized_crops, resize_crops_
from tagging.augment.spec_augment import MaskDraws, draw_masks, mask_views_
from tagging.features.table import LogMels
from tagging.features.windows import cut_windows


@dataclass(frozen=True)
class ViewSettings:
    """The size of a view in frames, and how it is made.

    `wrap_prob`: crop.draw_crops; `resize_prob`, `scale_*`, `ratio_*`: resized_crop.draw_resized_crops;
    `mask_prob`, `mask_count`, `mask_freq`, `mask_time`: spec_augment.draw_masks.
    """

    frames: int
    wrap_prob: float
    resize_prob: float
    scale_min: float
    scale_max: float
    ratio_min: float
    ratio_max: float
    mask_prob: float
    mask_count: int
    mask_freq: float
    mask_time: float


@dataclass(frozen=True)
class ViewDraws:
    """All random numbers of V views."""

    crops: CropDraws
    resized: ResizedCropDraws
    masks: MaskDraws

    def to(self, device: torch.device | str) -> ViewDraws:
        """Return the draws on `device`."""
        return ViewDraws(self.crops.to(device), self.resized.to(device), self.masks.to(device))


def draw_views(lengths: Tensor, settings: ViewSettings, n_mels: int, generator: torch.Generator) -> ViewDraws:
    """Draw one view of each of V clips of `lengths` [V] int64 frames (CPU)."""
    size = (len(lengths), n_mels, settings.frames)
    return ViewDraws(
        crops=draw_crops(lengths, settings.frames, settings.wrap_prob, generator),
        resized=draw_resized_crops(
            *size,
            settings.resize_prob,
            (settings.scale_min, settings.scale_max),
            (settings.ratio_min, settings.ratio_max),
            generator,
        ),
        masks=draw_masks(
            *size,
            settings.mask_prob,
            settings.mask_count,
            settings.mask_freq,
            settings.mask_time,
            generator,
        ),
    )


def apply_views(logmels: LogMels, clips: Tensor, draws: ViewDraws, settings: ViewSettings) -> Tensor:
    """Make the drawn views of `clips` [V] int64: [V, M, frames] float32 dB, on the device of the draws."""
    views = cut_windows(logmels, clips, draws.crops.starts, settings.frames, draws.crops.wrap)
    return mask_views_(resize_crops_(views, draws.resized), draws.masks)
