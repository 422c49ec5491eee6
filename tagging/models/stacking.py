"""Second-level models: from the probabilities of several members to logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALLEST = 2**-20  # probabilities are kept so far from 0 and 1 before their logit is taken; exact in float32


class FCNet(nn.Module):
    """A gate on the inputs, then three linear layers with PReLU and dropout between them.

    `inputs` is members times classes. The gate is sigmoid(W2 · relu(W1 · x)) with inputs // `reduction` hidden units
    (Hu et al., "Squeeze-and-excitation networks", CVPR 2018); the layers have 2 · `base_size`, `base_size` and
    `num_classes` units; `dropout` in 0..1 stands before the second and the third. Raises ValueError where `reduction`
    leaves the gate no unit.
    """

    def __init__(self, inputs: int, num_classes: int, base_size: int, reduction: int, dropout: float) -> None:
        super().__init__()
        hidden = inputs // reduction
        if hidden < 1:
            raise ValueError(f"reduction {reduction} of {inputs} inputs leaves the gate no hidden unit")
        self.gate = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, inputs), nn.Sigmoid())
        self.layers = nn.Sequential(
            nn.Linear(inputs, 2 * base_size),
            nn.PReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * base_size, base_size),
            nn.PReLU(),
            nn.Dropout(dropout),
            nn.Linear(base_size, num_classes),
        )

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map probabilities [B, inputs] to the logits [B, num_classes] float32."""
        return (self.layers(self.gate(x) * x),)


class LogisticRegression(nn.Module):
    """A logistic regression a class on the standardised logits of the inputs.

    `mean` and `scale` [inputs] are those of the logits it was fitted on.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.linear = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map probabilities [B, inputs] to the logits [B, num_classes] float32."""
        return (self.linear((torch.logit(x, SMALLEST) - self.mean) / self.scale),)


# those whose weights a file holds
STACKERS: dict[str, type[nn.Module]] = {"fcnet": FCNet, "logistic": LogisticRegression}
