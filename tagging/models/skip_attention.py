"""Convolutional networks with skip branches and attention: one head, or a head on each skip too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tagging.models.blocks import CBAM, AuxBlock, ConvBlock, Head, SkipBlock


class SkipAttention(nn.Module):
    """Four convolution blocks whose inner maps skip to a CBAM, a convolution that merges them, and one head.

    `base_size` scales all widths: the blocks have base·(1, 2, 4, 8) channels, a skip 8·base, the attention 32·base
    with a bottleneck of 32·base // cbam_ratio, the merged map last_filters·base, a head's hidden layer last_fc·base.
    `spatial_kernel` is odd. `dropout` in 0..1 stands before a head's first layer, half of it before its second. Batch
    normalisation in a head needs two clips or more in training.
    """

    def __init__(
        self,
        num_classes: int,
        base_size: int,
        dropout: float,
        cbam_ratio: int,
        spatial_kernel: int,
        last_filters: int,
        last_fc: int,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        wide = 8 * base_size
        self.conv1 = ConvBlock(in_channels, base_size)
        self.conv2 = ConvBlock(base_size, 2 * base_size)
        self.conv3 = ConvBlock(2 * base_size, 4 * base_size)
        self.conv4 = ConvBlock(4 * base_size, wide)
        self.skip1 = SkipBlock(base_size, wide, scale=8)
        self.skip2 = SkipBlock(2 * base_size, wide, scale=4)
        self.skip3 = SkipBlock(4 * base_size, wide, scale=2)
        self.attention = CBAM(4 * wide, cbam_ratio, spatial_kernel)
        self.merge = SkipBlock(4 * wide, last_filters * base_size, scale=1)
        self.head = Head(last_filters * base_size, last_fc * base_size, num_classes, dropout)

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Map [B, in_channels, M, T], M and T at least 16, to the merged map and the skips, [B, ·, M // 16, T // 16].

        The skips come deepest first.
        """
        x1 = self.conv1(x)
        x2 = self.conv2(x1)
        x3 = self.conv3(x2)
        x4 = self.conv4(x3)
        skip1, skip2, skip3 = self.skip1(x1), self.skip2(x2), self.skip3(x3)
        merged = self.merge(self.attention(torch.cat([x4, skip1, skip2, skip3], dim=1)))
        return merged, skip3, skip2, skip1

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T], M and T at least 16, to the logits [B, num_classes] float32."""
        merged, *_ = self.maps(x)
        return (self.head(merged.mean((2, 3))),)


class GlobalMean(nn.Module):
    """Mean over bands and frames; it has no parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, M, T] to [B, C]."""
        return x.mean((2, 3))


class LstmPool(nn.Module):
    """Mean over bands, a bidirectional LSTM of `channels` units along time, a projection back, mean over frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, bidirectional=True, batch_first=True)
        self.project = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, M, T] to [B, C]."""
        steps, _ = self.lstm(x.mean(2).transpose(1, 2))
        features: Tensor = self.project(steps).mean(1)
        return features


class AuxSkipAttention(SkipAttention):
    """The same with an auxiliary head on every skip: the network of the first place in Freesound Audio Tagging 2019."""

    pooling: type[nn.Module] = GlobalMean  # of the merged map, [B, C, M, T] to [B, C], made from C

    def __init__(
        self,
        num_classes: int,
        base_size: int,
        dropout: float,
        cbam_ratio: int,
        spatial_kernel: int,
        last_filters: int,
        last_fc: int,
        in_channels: int = 3,
    ) -> None:
        super().__init__(
            num_classes, base_size, dropout, cbam_ratio, spatial_kernel, last_filters, last_fc, in_channels
        )
        wide, hidden = 8 * base_size, last_fc * base_size
        self.aux1 = AuxBlock(wide, hidden, num_classes, dropout)
        self.aux2 = AuxBlock(wide, hidden, num_classes, dropout)
        self.aux3 = AuxBlock(wide, hidden, num_classes, dropout)
        self.pool = self.pooling(last_filters * base_size)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T], M and T at least 16, to the logits of (main, aux3, aux2, aux1).

        Each is [B, num_classes] float32; aux3 is the head of the deepest skip.
        """
        merged, skip3, skip2, skip1 = self.maps(x)
        return self.head(self.pool(merged)), self.aux3(skip3), self.aux2(skip2), self.aux1(skip1)


class RnnAuxSkipAttention(AuxSkipAttention):
    """The same with an LSTM along time, as wide as the merged map, in place of the mean."""

    pooling = LstmPool
