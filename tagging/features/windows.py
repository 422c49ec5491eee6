"""Windows of a fixed number of frames, cut out of the table of log-mels in one gather."""

from __future__ import annotations

import torch
from torch import Tensor

from tagging.features.in_cache import pieces, transposed
from tagging.features.table import LogMels


def cut_windows(logmels: LogMels, clips: Tensor, starts: Tensor, size: int, wrap: Tensor | None = None) -> Tensor:
    """Cut one window of `size` frames out of each of B clips.

    `clips` [B] int64 indices and `starts` [B] int64 frames; frame k of a window is frame starts + k of
    its clip, so that a negative start is padding on the left. Outside the clip stands the clip's minimum,
    or, where `wrap` [B] bool is set, its periodic continuation. Returns [B, M, size] float32 dB on the
    device of `clips`, also where the table is too large for it and stays on the CPU. The clips must not
    be empty.
    """
    device, home = clips.device, logmels.frames.device
    clips, starts = clips.to(home), starts.to(home)
    position = starts[:, None] + torch.arange(size, device=starts.device)
    length = logmels.lengths[clips][:, None]
    inside = (position >= 0) & (position < length)
    row = position.clamp(min=0).minimum(length - 1)
    if wrap is not None:
        wrap = wrap.to(home)
        row = torch.where(wrap[:, None], position % length, row)
        inside |= wrap[:, None]
    row += logmels.offsets[clips][:, None]
    minima = logmels.minima[clips][:, None, None]
    windows = torch.empty(len(clips), logmels.n_mels, size, device=home)
    for rows, minimum, weight, out in pieces(row, minima, inside[:, None, :].float(), windows):
        frames = logmels.frames.index_select(0, rows.flatten()).float().view(*rows.shape, logmels.n_mels)
        # a weight of 0 or 1 picks exactly, and unlike torch.where a CPU does it by SIMD
        torch.lerp(minimum, transposed(frames), weight, out=out)
    return windows.to(device)


def centre_starts(lengths: Tensor, size: int) -> Tensor:
    """Return the start [B] of the centred window of clips of `lengths` [B] int64 frames.

    A clip shorter than `size` has (size - T) // 2 frames of padding on its left: a negative start.
    """
    left = (size - lengths).div(2, rounding_mode="floor")
    return torch.where(lengths < size, -left, (lengths - size).div(2, rounding_mode="floor"))
