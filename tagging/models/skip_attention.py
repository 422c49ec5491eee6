"""Convolutional networks with skip branches and attention: the trunk that three of them share, and the plain one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tagging.models.blocks import CBAM, ConvBlock, Head, SkipBlock


class SkipTrunk(nn.Module):
    """Four convolution blocks whose inner maps skip to a CBAM, and a convolution that merges them.

    `base_size` scales all widths: the blocks have base·(1, 2, 4, 8) channels, a skip 8·base, the attention 32·base
    with a bottleneck of 32·base // cbam_ratio, the merged map last_filters·base. `spatial_kernel` is odd.
    """

    def __init__(
        self, base_size: int, cbam_ratio: int, spatial_kernel: int, last_filters: int, in_channels: int
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


class SkipAttention(SkipTrunk):
    """The trunk and one head, whose hidden layer has last_fc·base units.

    `dropout` in 0..1 stands before the head's first layer, half of it before its second. Batch normalisation in the
    head needs two clips or more in training.
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
        super().__init__(base_size, cbam_ratio, spatial_kernel, last_filters, in_channels)
        self.head = Head(last_filters * base_size, last_fc * base_size, num_classes, dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T], M and T at least 16, to the logits [B, num_classes] float32."""
        merged, *_ = self.maps(x)
        return (self.head(merged.mean((2, 3))),)
