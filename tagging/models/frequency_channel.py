"""Where in frequency a band lies, as one more input channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrequencyChannel(nn.Module):
    """Append a channel that holds each band's place, 0 for the lowest to 1 for the highest, on every frame.

    A convolution gives the same answer wherever a pattern lies; with its place at hand it can tell a low sound from
    a high one. Liu et al., "An intriguing failing of convolutional neural networks and the CoordConv solution", 2018.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, M, T] to [B, C + 1, M, T]."""
        wider = F.pad(x, (0, 0, 0, 0, 0, 1))  # keeps channels-last, which a concatenation would not
        wider[:, -1] = torch.linspace(0, 1, x.shape[2], dtype=x.dtype, device=x.device)[:, None]
        return wider
