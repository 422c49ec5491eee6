"""Random resized crops: a box of the view is stretched to the size of the view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.augment.draws import Draws, below, some_rows, uniform
from tagging.features.in_cache import pieces, transposed

_TRIES = 10


@dataclass(frozen=True)
class ResizedCropDraws(Draws):
    """The views that are resized (`rows` [R] int64) and the box of each, all [R] int64 bands or frames."""

    rows: Tensor
    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


@dataclass(frozen=True)
class ResizedCrop:
    """Resizes a box of a view with probability `prob`.

    Its share of the view's area and its ratio, frames over bands, lie in these ranges.
    """

    prob: float
    scale_min: float
    scale_max: float
    ratio_min: float
    ratio_max: float

    def draw(self, count: int, n_mels: int, frames: int, generator: torch.Generator) -> ResizedCropDraws:
        """Draw which of `count` views are resized, and their boxes.

        A box has an area uniform in the range of `scale` times the view's and a ratio log-uniform in its range; it
        must lie within [n_mels, frames]: the first of 10 tries that does is taken, else the whole
        view. Its position is uniform.
        """
        rows = some_rows(count, self.prob, generator)
        tries = (len(rows), _TRIES)
        area = uniform(tries, self.scale_min, self.scale_max, generator) * (n_mels * frames)
        aspect = uniform(tries, math.log(self.ratio_min), math.log(self.ratio_max), generator).exp()
        widths = (area * aspect).sqrt().round().long().clamp(min=1)
        heights = (area / aspect).sqrt().round().long().clamp(min=1)
        fits = (widths <= frames) & (heights <= n_mels)
        first = fits.int().argmax(dim=1, keepdim=True)  # argmax returns the first of equals
        any_fits = fits.any(dim=1)
        width = torch.where(any_fits, widths.gather(1, first)[:, 0], frames)
        height = torch.where(any_fits, heights.gather(1, first)[:, 0], n_mels)
        top = below(n_mels - height + 1, generator)
        left = below(frames - width + 1, generator)
        return ResizedCropDraws(rows, top, left, height, width)

    def apply(self, views: Tensor, draws: ResizedCropDraws) -> Tensor:
        """Stretch the drawn boxes of views [V, M, T] to [M, T], bilinearly and in place.

        Samples lie at the centres of pixels and the edge is that of the box: the same as
        interpolate(mode="bilinear", align_corners=False) of the box cut out.
        """
        for rows, top, left, height, width in pieces(draws.rows, draws.top, draws.left, draws.height, draws.width):
            boxes = transposed(views.index_select(0, rows))
            boxes = transposed(_stretch_rows(boxes, left, width))
            views.index_copy_(0, rows, _stretch_rows(boxes, top, height))
        return views


def _stretch_rows(images: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """Stretch rows start .. start + length - 1 of every image [R, H, W] to H rows.

    Whole rows are copied, which is why the caller transposes to stretch the columns: picking single values
    takes three times as long on a CPU.
    """
    size = images.shape[1]
    out = torch.arange(size, device=images.device)
    # the position (out + 1/2) length / size - 1/2 within the box, times 2 size: integers are exact
    position = (2 * out + 1) * length[:, None] - size
    position = position.clamp(min=0).minimum(2 * size * (length[:, None] - 1))
    lower = position // (2 * size)
    weight = (position - lower * (2 * size)) / (2 * size)
    upper = (lower + 1).minimum(length[:, None] - 1)
    rows = images.flatten(0, 1)
    first = size * torch.arange(len(images), device=images.device) + start

    def pick(index: Tensor) -> Tensor:
        return rows.index_select(0, (index + first[:, None]).flatten()).view_as(images)

    return torch.lerp(pick(lower), pick(upper), weight[:, :, None])
