"""The skip-attention network with auxiliary heads on its skips, pooled by a mean or by a recurrent layer."""

from __future__ import annotations

from torch import Tensor, nn

from tagging.models.blocks import AuxBlock, Head
from tagging.models.skip_attention import SkipTrunk


class AuxSkipAttention(SkipTrunk):
    """The trunk with a head of its own on every skip.

    The network of the first place in Freesound Audio Tagging 2019. A head's hidden layer has last_fc·base units.
    `dropout` in 0..1 stands before a head's first layer, half of it before its second. Batch normalisation in the
    heads needs two clips or more in training.
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
        super().__init__(base_size, cbam_ratio, spatial_kernel, last_filters)
        wide, hidden = 8 * base_size, last_fc * base_size
        self.head = Head(last_filters * base_size, hidden, num_classes, dropout)
        self.aux1 = AuxBlock(wide, hidden, num_classes, dropout)
        self.aux2 = AuxBlock(wide, hidden, num_classes, dropout)
        self.aux3 = AuxBlock(wide, hidden, num_classes, dropout)

    def pool(self, merged: Tensor) -> Tensor:
        """Map the merged map [B, C, M, T] to the main head's features [B, C]."""
        return merged.mean((2, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, M, T], M and T at least 16, to the logits of (main, aux3, aux2, aux1).

        Each is [B, num_classes] float32; aux3 is the head of the deepest skip.
        """
        merged, skip3, skip2, skip1 = self.maps(x)
        return self.head(self.pool(merged)), self.aux3(skip3), self.aux2(skip2), self.aux1(skip1)


class RnnAuxSkipAttention(AuxSkipAttention):
    """The same with a bidirectional LSTM along time, as wide as the merged map, in place of the mean."""

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
        super().__init__(num_classes, base_size, dropout, cbam_ratio, spatial_kernel, last_filters, last_fc)
        width = last_filters * base_size
        self.lstm = nn.LSTM(width, width, bidirectional=True, batch_first=True)
        self.project = nn.Linear(2 * width, width)

    def pool(self, merged: Tensor) -> Tensor:
        """Map [B, C, M, T] to [B, C]: mean over bands, LSTM over frames, projection, mean over frames."""
        steps, _ = self.lstm(merged.mean(2).transpose(1, 2))
        return self.project(steps).mean(1)
