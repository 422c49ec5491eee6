"""One view of one clip, step by step, with NumPy and Pillow; the drawn numbers are given."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from tagging.augment.views import ViewDraws
from tagging.features.table import LogMels


def pad_to_size(clip: np.ndarray, size: int, wrap: bool) -> np.ndarray:
    """Pad [M, T] on both sides to `size` frames, by wrapping around or with the minimum."""
    missing = size - clip.shape[1]
    if missing <= 0:
        return clip
    widths = ((0, 0), (missing // 2, missing - missing // 2))
    if wrap:
        return np.pad(clip, widths, mode="wrap")
    return np.pad(clip, widths, mode="constant", constant_values=clip.min())


def crop(clip: np.ndarray, size: int, start: int, wrap: bool) -> np.ndarray:
    padded = pad_to_size(clip, size, wrap)
    start = max(0, start)  # a negative start says how much is padded
    return padded[:, start : start + size]


def resized_crop(view: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    box = Image.fromarray(view[top : top + height, left : left + width].astype(np.float32), mode=None)
    resized = box.resize((view.shape[1], view.shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def spec_augment(view: np.ndarray, bands: list[tuple[int, int]], spans: list[tuple[int, int]]) -> np.ndarray:
    """Fill bands and spans, each (start, width), with the minimum of the view as it came."""
    masked, fill = view.copy(), view.min()
    for (band, height), (frame, width) in zip(bands, spans, strict=True):
        masked[band : band + height, :] = fill
        masked[:, frame : frame + width] = fill
    return masked


def one_by_one(table: LogMels, clips: torch.Tensor, draws: ViewDraws, frames: int) -> np.ndarray:
    """The drawn views [V, M, frames] of clips [V]."""
    views = []
    resized, masks = draws.resized, draws.masks
    boxes = {
        int(row): tuple(int(box[place]) for box in (resized.top, resized.left, resized.height, resized.width))
        for place, row in enumerate(resized.rows)
    }
    for row, clip in enumerate(clips.tolist()):
        spectrogram = table.clip(clip).float().numpy().T
        view = crop(spectrogram, frames, int(draws.crops.starts[row]), bool(draws.crops.wrap[row]))
        if row in boxes:
            view = resized_crop(view, *boxes[row])
        bands = list(zip(masks.band[row].tolist(), masks.band_width[row].tolist(), strict=True))
        spans = list(zip(masks.frame[row].tolist(), masks.frame_width[row].tolist(), strict=True))
        views.append(spec_augment(view, bands, spans))
    return np.stack(views)
