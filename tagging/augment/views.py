"""One augmented view of a clip: padded and cropped, then each augmentation of the registry in its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from tagging.augment.draws import Draws, below, happens
from tagging.augment.filter import Filter
from tagging.augment.noise import Noise
from tagging.augment.resized_crop import ResizedCrop
from tagging.augment.shifts import PitchShift, TimeShift
from tagging.augment.spec_augment import SpecAugment
from tagging.features.table import LogMels, centre_starts, cut_windows
from tagging.user_code import UserCode


@dataclass(frozen=True)
class CropDraws(Draws):
    """Where each of V views begins (`starts` [V] int64 frames, negative: padding) and whether it wraps.

    They are applied by features.table.cut_windows.
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


class Augmentation(Protocol):
    """Changes views, each with probability `prob`; a new one is in AUGMENTATIONS and in the config's `Augment`."""

    @property
    def prob(self) -> float:
        """The share of views that change; 0: none, and nothing is drawn."""

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> Any:
        """Draw all random numbers for `count` views [n_mels, frames] from a CPU generator.

        Returns a tensor, or `Draws` of several, which are then moved to the device of the views.
        """

    def apply(self, views: Tensor, draws: Any) -> Tensor:
        """Return views [V, M, T] float32 dB changed as drawn, in place or anew."""


@dataclass(frozen=True)
class UserAugmentation:
    """Changes views as an object of a class in a user's own file does, which has `draw` and `apply` as above."""

    code: UserCode
    prob: float = 1.0  # the object decides which views it changes

    @cached_property
    def _object(self) -> Any:
        return self.code.call()

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> Any:
        """Draw all random numbers for `count` views [n_mels, frames]: a tensor, or `Draws` of several."""
        with self.code.errors():
            draws = self._object.draw(count, n_mels, frames, generator)
        if not hasattr(draws, "to"):
            raise self.code.fail(f"draws {type(draws).__name__}; it must be a tensor or Draws (tagging.augment.draws)")
        return draws

    def apply(self, views: Tensor, draws: Any) -> Tensor:
        """Return views [V, M, T] float32 dB changed as drawn."""
        with self.code.errors():
            changed = self._object.apply(views, draws)
        if not isinstance(changed, Tensor) or changed.shape != views.shape or changed.dtype != views.dtype:
            shown = f"{list(changed.shape)} {changed.dtype}" if isinstance(changed, Tensor) else type(changed).__name__
            raise self.code.fail(f"returns {shown} for views {list(views.shape)} {views.dtype}; it must keep both")
        return changed


# by their sections in the config, in the order in which they are applied
AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "time_shift": TimeShift,
    "pitch_shift": PitchShift,
    "resized_crop": ResizedCrop,
    "filter": Filter,
    "noise": Noise,
    "spec_augment": SpecAugment,
}
# drawn first, and even with a probability of 0, so that a seed gives them the same draws with and without the others
_FIRST = ("resized_crop", "spec_augment")


@dataclass(frozen=True)
class ViewSettings:
    """The size of a view in frames, the share of short clips that wrap (draw_crops), and the augmentations."""

    frames: int
    wrap_prob: float
    augmentations: Mapping[str, Augmentation]


@dataclass(frozen=True)
class ViewDraws:
    """All random numbers of V views: of the crops, and of each augmentation that is not off."""

    crops: CropDraws
    by_name: Mapping[str, Any]

    def to(self, device: torch.device | str) -> ViewDraws:
        """Return the draws on `device`."""
        return ViewDraws(self.crops.to(device), {name: draws.to(device) for name, draws in self.by_name.items()})


def draw_views(lengths: Tensor, settings: ViewSettings, n_mels: int, generator: torch.Generator) -> ViewDraws:
    """Draw one view of each of V clips of `lengths` [V] int64 frames (CPU)."""
    crops = draw_crops(lengths, settings.frames, settings.wrap_prob, generator)
    drawn = sorted(settings.augmentations.items(), key=lambda item: item[0] not in _FIRST)
    return ViewDraws(
        crops,
        {
            name: one.draw(len(lengths), n_mels, settings.frames, generator)
            for name, one in drawn
            if one.prob or name in _FIRST
        },
    )


def apply_views(logmels: LogMels, clips: Tensor, draws: ViewDraws, settings: ViewSettings) -> Tensor:
    """Make the drawn views of `clips` [V] int64: [V, M, frames] float32 dB, on the device of the draws."""
    views = cut_windows(logmels, clips, draws.crops.starts, settings.frames, draws.crops.wrap)
    for name, one in settings.augmentations.items():
        if name in draws.by_name:
            views = one.apply(views, draws.by_name[name])
    return views
