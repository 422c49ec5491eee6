"""A network from a user's own file."""

from __future__ import annotations

from torch import Tensor, nn

from tagging.user_code import UserCode


class UserNetwork(nn.Module):
    """The network that a user's class makes of the number of classes, that of input channels, and its arguments."""

    def __init__(self, num_classes: int, code: UserCode, in_channels: int = 3) -> None:
        super().__init__()
        network = code.call(num_classes, in_channels)
        if not isinstance(network, nn.Module):
            raise code.fail("is no torch.nn.Module")
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T] to the logits [B, num_classes] float32 of each head."""
        outputs = self.network(x)
        return (outputs.float(),) if isinstance(outputs, Tensor) else tuple(one.float() for one in outputs)
