"""One augmented look at a clip: pad, crop, shift, resize, filter, add noise, mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.crop import CropDraws, draw_crops
from tagging.augment.draws import Draws
from tagging.augment.filters import FilterDraws, FilterSettings, draw_filters, filter_
from tagging.augment.noise import NoiseDraws, NoiseSettings, add_noise_, draw_noise
from tagging.augment.pitch_shift import PitchShiftDraws, PitchShiftSettings, draw_pitch_shifts, shift_pitch_
from tagging.augment.resized_crop import ResizedCropDraws, ResizedCropSettings, draw_resized_crops, resize_crops_
from tagging.augment.spec_augment import MaskDraws, MaskSettings, draw_masks, mask_views_
from tagging.augment.time_shift import TimeShiftDraws, TimeShiftSettings, draw_time_shifts, shift_time_
from tagging.features.table import LogMels
from tagging.features.windows import cut_windows


@dataclass(frozen=True)
class ViewSettings:
    """The size of a view in frames, the share of short clips that wrap (crop.draw_crops), and the rest by its kind."""

    frames: int
    wrap_prob: float
    time_shift: TimeShiftSettings
    pitch_shift: PitchShiftSettings
    resized_crop: ResizedCropSettings
    filter: FilterSettings
    noise: NoiseSettings
    masks: MaskSettings


@dataclass(frozen=True)
class ViewDraws(Draws):
    """All random numbers of V views; None for what is off."""

    crops: CropDraws
    time_shifts: TimeShiftDraws | None
    pitch_shifts: PitchShiftDraws | None
    resized: ResizedCropDraws
    filters: FilterDraws | None
    noise: NoiseDraws | None
    masks: MaskDraws


def draw_views(lengths: Tensor, settings: ViewSettings, n_mels: int, generator: torch.Generator) -> ViewDraws:
    """Draw one view of each of V clips of `lengths` [V] int64 frames (CPU)."""
    count, frames = len(lengths), settings.frames
    time, pitch, filtering, noise = settings.time_shift, settings.pitch_shift, settings.filter, settings.noise
    # what the original has is drawn first, and nothing for what is off: a seed gives the same with and without the rest
    return ViewDraws(
        crops=draw_crops(lengths, frames, settings.wrap_prob, generator),
        resized=draw_resized_crops(count, n_mels, frames, settings.resized_crop, generator),
        masks=draw_masks(count, n_mels, frames, settings.masks, generator),
        time_shifts=draw_time_shifts(count, frames, time, generator) if time.prob else None,
        pitch_shifts=draw_pitch_shifts(count, pitch, generator) if pitch.prob else None,
        filters=draw_filters(count, n_mels, filtering, generator) if filtering.prob else None,
        noise=draw_noise(count, n_mels, frames, noise, generator) if noise.prob else None,
    )


def apply_views(logmels: LogMels, clips: Tensor, draws: ViewDraws, settings: ViewSettings) -> Tensor:
    """Make the drawn views of `clips` [V] int64: [V, M, frames] float32 dB, on the device of the draws."""
    views = cut_windows(logmels, clips, draws.crops.starts, settings.frames, draws.crops.wrap)
    if draws.time_shifts:
        shift_time_(views, draws.time_shifts)
    if draws.pitch_shifts:
        shift_pitch_(views, draws.pitch_shifts)
    resize_crops_(views, draws.resized)
    if draws.filters:
        filter_(views, draws.filters)
    if draws.noise:
        add_noise_(views, draws.noise)
    return mask_views_(views, draws.masks)
