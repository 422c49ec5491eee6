"""Convolutional network with skip branches, attention and auxiliary heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tagging.models.blocks import CBAM, AuxBlock, ConvBlock, Head, SkipBlock


class AuxSkipAttention(nn.Module):
    """Four convolution blocks whose inner maps skip to a CBAM; every skip has a head of its own.

    The network of the first place in Freesound Audio Tagging 2019. `base_size` scales all widths: the
    blocks have base·(1, 2, 4, 8) channels, a skip 8·base, the attention 32·base with a bottleneck of
    32·base // cbam_ratio, the merged map last_filters·base, a head's hidden layer last_fc·base.
    `dropout` in 0..1 stands before a head's first layer, half of it before its second;
    `spatial_kernel` is odd. Batch normalisation in the heads needs two clips or more in training.
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
    ) -> None:
        super().__init__()
        wide, merged, hidden = 8 * base_size, last_filters * base_size, last_fc * base_size
        self.conv1 = ConvBlock(3, base_size)
        self.conv2 = ConvBlock(base_size, 2 * base_size)
        self.conv3 = ConvBlock(2 * base_size, 4 * base_size)
        self.conv4 = ConvBlock(4 * base_size, wide)
        self.skip1 = SkipBlock(base_size, wide, scale=8)
        self.skip2 = SkipBlock(2 * base_size, wide, scale=4)
        self.skip3 = SkipBlock(4 * base_size, wide, scale=2)
        self.attention = CBAM(4 * wide, cbam_ratio, spatial_kernel)
        self.merge = SkipBlock(4 * wide, merged, scale=1)
        self.head = Head(merged, hidden, num_classes, dropout)
        self.aux1 = AuxBlock(wide, hidden, num_classes, dropout)
        self.aux2 = AuxBlock(wide, hidden, num_classes, dropout)
        self.aux3 = AuxBlock(wide, hidden, num_classes, dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, M, T], M and T at least 16, to the logits of (main, aux3, aux2, aux1).

        Each is [B, num_classes] float32; aux3 is the head of the deepest skip.
        """
        x1 = self.conv1(x)
        x2 = self.conv2(x1)
        x3 = self.conv3(x2)
        x4 = self.conv4(x3)
        skip1, skip2, skip3 = self.skip1(x1), self.skip2(x2), self.skip3(x3)
        merged = self.merge(self.attention(torch.cat([x4, skip1, skip2, skip3], dim=1)))
        return self.head(merged.mean((2, 3))), self.aux3(skip3), self.aux2(skip2), self.aux1(skip1)
