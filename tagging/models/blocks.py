"""Building blocks of the convolutional networks.

Maps are [B, channels, M, T]. Global pooling is a mean or a maximum over dimensions rather than an
adaptive pooling layer, whose gradient on CUDA is not deterministic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn_relu(in_channels: int, out_channels: int, kernel: int = 3, bias: bool = False) -> nn.Sequential:
    """Return a convolution of odd `kernel`, batch normalisation and ReLU; the map keeps its size."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ConvBlock(nn.Module):
    """Two 3×3 convolutions, then 2×2 average pooling: [B, i, M, T] → [B, o, M // 2, T // 2]."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = False) -> None:
        super().__init__()
        self.first = conv_bn_relu(in_channels, out_channels, bias=bias)
        self.second = conv_bn_relu(out_channels, out_channels, bias=bias)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # He et al., "Delving deep into rectifiers", 2015; all other layers start as torch's do
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, i, M, T] to [B, o, M // 2, T // 2]."""
        return F.avg_pool2d(self.second(self.first(x)), 2)


class SkipBlock(nn.Module):
    """s×s average pooling, then one 3×3 convolution: [B, i, M, T] → [B, o, M // s, T // s]."""

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.conv = conv_bn_relu(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, i, M, T] to [B, o, M // s, T // s]."""
        return self.conv(F.avg_pool2d(x, self.scale) if self.scale > 1 else x)


class ChannelAttention(nn.Module):
    """Gate [B, C, 1, 1] in 0..1 from the mean and the maximum of every channel.

    Both pass the same bottleneck of C // ratio channels. Woo et al., "CBAM", ECCV 2018, equation 2.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.bottleneck = nn.Sequential(
            nn.Conv2d(channels, channels // ratio, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // ratio, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, M, T] to the gate [B, C, 1, 1]."""
        mean, peak = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return torch.sigmoid(self.bottleneck(mean) + self.bottleneck(peak))


class SpatialAttention(nn.Module):
    """Gate [B, 1, M, T] in 0..1 from the mean and the maximum over channels (CBAM, equation 3)."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, M, T] to the gate [B, 1, M, T]."""
        return torch.sigmoid(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)))


class CBAM(nn.Module):
    """Channel attention, then spatial attention on what it leaves; the map keeps its shape."""

    def __init__(self, channels: int, ratio: int, spatial_kernel: int) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, ratio)
        self.spatial = SpatialAttention(spatial_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, M, T] to [B, C, M, T]."""
        x = x * self.channel(x)
        return x * self.spatial(x)


def float32_logits(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a last layer to features [B, i] in float32, whatever autocast is set to.

    A bfloat16 logit has 8 bits: classes would tie, and ties count against the prediction.
    """
    with torch.autocast(x.device.type, enabled=False):
        logits: Tensor = layer(x.float())
        return logits


class Head(nn.Module):
    """Two-layer classifier: [B, i] → float32 logits [B, classes]."""

    def __init__(self, in_features: int, hidden: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(in_features, hidden),
            nn.PReLU(),
            nn.BatchNorm1d(hidden),
            nn.Dropout(dropout / 2),
        )
        self.logits = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map features [B, i] to float32 logits [B, classes], whatever autocast is set to."""
        return float32_logits(self.logits, self.hidden(x))


class AuxBlock(nn.Module):
    """Auxiliary classifier on an inner map: global mean, then a head."""

    def __init__(self, channels: int, hidden: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.head = Head(channels, hidden, num_classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, M, T] to float32 logits [B, classes]."""
        return self.head(x.mean((2, 3)))


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
