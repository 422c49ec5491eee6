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


class BoostedTrees(nn.Module):
    """Trees for each class, whose values add up to its logit beside a `bias` [C].

    Of node n of tree r of class c, [C, rounds, 2 · leaves - 1]: an input of more than `threshold` in `feature` goes to
    the node `right`, any other to `left`; a leaf leads to itself and is worth `value`. They are added up in float64, in
    the order of rounds. Any number of `inputs` will do.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    bias: Tensor

    def __init__(self, inputs: int, num_classes: int, rounds: int, leaves: int) -> None:
        super().__init__()
        nodes = (num_classes, rounds, 2 * leaves - 1)
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(nodes, dtype=torch.int64))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(nodes, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(num_classes, dtype=torch.float64))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map probabilities [B, inputs] to the logits [B, C] float32."""
        columns = x.double().T
        logits = self.bias[:, None].expand(-1, len(x))
        for tree in range(self.value.shape[1]):
            logits = logits + self.value[:, tree].gather(1, self._leaves(columns, tree))
        return (logits.T.float(),)

    def _leaves(self, columns: Tensor, tree: int) -> Tensor:
        """Return the leaf [C, B] that each column of inputs [inputs, B] ends in."""
        feature, threshold = self.feature[:, tree], self.threshold[:, tree]
        left, right = self.left[:, tree], self.right[:, tree]
        node = left.new_zeros(len(left), columns.shape[1])
        while True:
            above = columns.gather(0, feature.gather(1, node)) > threshold.gather(1, node)
            lower = torch.where(above, right.gather(1, node), left.gather(1, node))
            if lower.equal(node):
                return node
            node = lower


STACKERS: dict[str, type[nn.Module]] = {"fcnet": FCNet, "logistic": LogisticRegression, "boosting": BoostedTrees}
