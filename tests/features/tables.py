"""Tables of log-mels in memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tagging.features.table import LogMels


def table_of(clips: Sequence[Tensor]) -> LogMels:
    """Join clips [T_i, M] dB of one dtype and device to a table."""
    device = clips[0].device
    lengths = torch.tensor([len(clip) for clip in clips])
    minima = [clip.min().float() if len(clip) else torch.zeros((), device=device) for clip in clips]
    return LogMels(
        frames=torch.cat(list(clips)),
        offsets=(lengths.cumsum(0) - lengths).to(device),
        lengths=lengths.to(device),
        minima=torch.stack(minima),
    )
