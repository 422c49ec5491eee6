"""One view of one clip, step by step, with NumPy and Pillow; the drawn numbers are given."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from tagging.augment.draws import Draws
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


def time_shift(view: np.ndarray, frames: int) -> np.ndarray:
    return np.roll(view, frames, axis=1)


def pitch_shift(view: np.ndarray, bands: int) -> np.ndarray:
    """Move a view up by `bands` (down if negative); free bands hold its minimum."""
    moved = np.full_like(view, view.min())
    for band in range(len(view)):
        if 0 <= band - bands < len(view):
            moved[band] = view[band - bands]
    return moved


def filtered(view: np.ndarray, edges: list[int], first: list[float], last: list[float]) -> np.ndarray:
    """Add a line from first[p] to last[p] dB to the bands edges[p] .. edges[p + 1] - 1."""
    gains = [np.linspace(*ends, edges[p + 1] - edges[p]) for p, ends in enumerate(zip(first, last, strict=True))]
    return (view + np.concatenate(gains)[:, None]).astype(view.dtype)


def noisy(view: np.ndarray, db: float, bank: np.ndarray, start: int) -> np.ndarray:
    return view + np.float32(db) * bank[start : start + view.size].reshape(view.shape)


def spec_augment(view: np.ndarray, bands: list[tuple[int, int]], spans: list[tuple[int, int]]) -> np.ndarray:
    """Fill bands and spans, each (start, width), with the minimum of the view as it came."""
    masked, fill = view.copy(), view.min()
    for (band, height), (frame, width) in zip(bands, spans, strict=True):
        masked[band : band + height, :] = fill
        masked[:, frame : frame + width] = fill
    return masked


def by_row(draws: Draws | None, *fields: str) -> dict[int, tuple]:
    """What was drawn in some fields for each of draws.rows, as plain numbers and lists."""
    if draws is None:
        return {}
    drawn = (getattr(draws, field).tolist() for field in fields)
    return dict(zip(draws.rows.tolist(), zip(*drawn, strict=True), strict=True))


def one_by_one(table: LogMels, clips: torch.Tensor, draws: ViewDraws, frames: int) -> np.ndarray:
    """The drawn views [V, M, frames] of clips [V]."""
    views = []
    drawn = draws.by_name
    masks = drawn["spec_augment"]
    shifted = by_row(drawn.get("time_shift"), "by")
    moved = by_row(drawn.get("pitch_shift"), "by")
    boxes = by_row(drawn["resized_crop"], "top", "left", "height", "width")
    gains = by_row(drawn.get("filter"), "edges", "first", "last")
    noises = by_row(drawn.get("noise"), "db", "starts")
    for row, clip in enumerate(clips.tolist()):
        spectrogram = table.clip(clip).float().numpy().T
        view = crop(spectrogram, frames, int(draws.crops.starts[row]), bool(draws.crops.wrap[row]))
        if row in shifted:
            view = time_shift(view, *shifted[row])
        if row in moved:
            view = pitch_shift(view, *moved[row])
        if row in boxes:
            view = resized_crop(view, *boxes[row])
        if row in gains:
            view = filtered(view, *gains[row])
        if row in noises:
            db, start = noises[row]
            view = noisy(view, db, drawn["noise"].bank.numpy(), start)
        bands = list(zip(masks.band[row].tolist(), masks.band_width[row].tolist(), strict=True))
        spans = list(zip(masks.frame[row].tolist(), masks.frame_width[row].tolist(), strict=True))
        views.append(spec_augment(view, bands, spans))
    return np.stack(views)
