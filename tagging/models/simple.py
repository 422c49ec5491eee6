"""Plain convolutional networks to compare with."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from tagging.models.blocks import CBAM, ConvBlock, Head, conv_bn_relu, float32_logits


def _conv_blocks(in_channels: int, base_size: int, bias: bool) -> nn.Sequential:
    widths = (in_channels, base_size, 2 * base_size, 4 * base_size, 8 * base_size)
    return nn.Sequential(*(ConvBlock(i, o, bias) for i, o in pairwise(widths)))


class SimpleAttention(nn.Module):
    """Four convolution blocks of base·(1, 2, 4, 8) channels, a CBAM, a global mean and a head of last_fc·base units.

    `dropout` in 0..1 stands before the head's first layer, half of it before its second; `spatial_kernel` is odd.
    """

    def __init__(
        self,
        num_classes: int,
        base_size: int,
        dropout: float,
        cbam_ratio: int,
        spatial_kernel: int,
        last_fc: int,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.convs = _conv_blocks(in_channels, base_size, bias=False)
        self.attention = CBAM(8 * base_size, cbam_ratio, spatial_kernel)
        self.head = Head(8 * base_size, last_fc * base_size, num_classes, dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T], M and T at least 16, to the logits [B, num_classes] float32."""
        return (self.head(self.attention(self.convs(x)).mean((2, 3))),)


class SimpleKaggle(nn.Module):
    """Four convolution blocks, the mean over time and the maximum over bands, and a head of last_fc·base units.

    The baseline that many entries of Freesound Audio Tagging 2019 began from; its convolutions have a bias.
    """

    def __init__(self, num_classes: int, base_size: int, dropout: float, last_fc: int, in_channels: int = 3) -> None:
        super().__init__()
        self.convs = _conv_blocks(in_channels, base_size, bias=True)
        self.head = Head(8 * base_size, last_fc * base_size, num_classes, dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T], M and T at least 16, to the logits [B, num_classes] float32."""
        return (self.head(self.convs(x).mean(3).amax(2)),)


class FeatureExtractor(nn.Module):
    """A small network: a 1×1 convolution, six 3×3 ones of base·(1, 1, 2, 2, 4, 4) channels, each then max-pooled.

    `dropout` in 0..1 takes whole channels after the second, fourth and sixth pooling.
    """

    def __init__(self, num_classes: int, base_size: int, dropout: float, in_channels: int = 3) -> None:
        super().__init__()
        widths = [base_size * factor for factor in (1, 1, 1, 2, 2, 4, 4)]
        self.mix = conv_bn_relu(in_channels, base_size, kernel=1)
        self.convs = nn.ModuleList(conv_bn_relu(i, o) for i, o in pairwise(widths))
        self.drop = nn.Dropout2d(dropout)
        self.logits = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T], M and T at least 64, to the logits [B, num_classes] float32."""
        x = self.mix(x)
        for number, conv in enumerate(self.convs, 1):
            x = F.max_pool2d(conv(x), 2)
            if number % 2 == 0:
                x = self.drop(x)
        return (float32_logits(self.logits, x.mean((2, 3))),)
