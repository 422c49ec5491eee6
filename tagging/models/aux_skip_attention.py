"""The skip-attention network with auxiliary heads on its skips, pooled by a mean or along time by an LSTM."""

from __future__ import annotations

from torch import Tensor, nn

from tagging.models.blocks import AuxBlock, Head
from tagging.models.skip_attention import SkipTrunk


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


class AuxSkipAttention(SkipTrunk):
    """The trunk with a head of its own on every skip.

    The network of the first place in Freesound Audio Tagging 2019. A head's hidden layer has last_fc·base units.
    `dropout` in 0..1 stands before a head's first layer, half of it before its second. Batch normalisation in the
    heads needs two clips or more in training.
    """

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
        super().__init__(base_size, cbam_ratio, spatial_kernel, last_filters, in_channels)
        wide, merged, hidden = 8 * base_size, last_filters * base_size, last_fc * base_size
        self.head = Head(merged, hidden, num_classes, dropout)
        self.aux1 = AuxBlock(wide, hidden, num_classes, dropout)
        self.aux2 = AuxBlock(wide, hidden, num_classes, dropout)
        self.aux3 = AuxBlock(wide, hidden, num_classes, dropout)
        self.pool = self.pooling(merged)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T], M and T at least 16, to the logits of (main, aux3, aux2, aux1).

        Each is [B, num_classes] float32; aux3 is the head of the deepest skip.
        """
        merged, skip3, skip2, skip1 = self.maps(x)
        return self.head(self.pool(merged)), self.aux3(skip3), self.aux2(skip2), self.aux1(skip1)


class RnnAuxSkipAttention(AuxSkipAttention):
    """The same with an LSTM along time, as wide as the merged map, in place of the mean."""

    pooling = LstmPool
