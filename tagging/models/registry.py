"""Networks by name, and from a user's own file."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tagging.models.blocks import FrequencyChannel
from tagging.models.simple import FeatureExtractor, SimpleAttention, SimpleKaggle
from tagging.models.skip_attention import AuxSkipAttention, RnnAuxSkipAttention, SkipAttention
from tagging.models.timm_backbone import TimmBackbone
from tagging.user_code import UserCode

MODELS: dict[str, type[nn.Module]] = {
    "skip_attention": SkipAttention,
    "aux_skip_attention": AuxSkipAttention,
    "rnn_aux_skip_attention": RnnAuxSkipAttention,
    "simple_attention": SimpleAttention,
    "simple_kaggle": SimpleKaggle,
    "feature_extractor": FeatureExtractor,
    "timm": TimmBackbone,
}

# these return the logits of three side heads too
WITH_SIDE_HEADS = ("aux_skip_attention", "rnn_aux_skip_attention")


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


def build(kind: str, num_classes: int, frequency_channel: bool = False, **arguments: Any) -> nn.Module:
    """Return a new network `kind`, one of MODELS or `python` with its `code`, with `num_classes` outputs a head.

    Its weights are drawn from torch's global generator. It maps [B, 3, M, T] to a tuple of float32
    logits [B, num_classes], the main head first. With `frequency_channel` it also sees where in
    frequency a band lies. Raises ValueError for an unknown kind and TypeError for arguments that its
    class does not take.
    """
    if kind not in MODELS and kind != "python":
        raise ValueError(f"no network is called {kind!r}; there are {', '.join(MODELS)}")
    network = UserNetwork if kind == "python" else MODELS[kind]
    if not frequency_channel:
        return network(num_classes, **arguments)
    return nn.Sequential(FrequencyChannel(), network(num_classes, in_channels=4, **arguments))


def placed(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, its weights in channels-last order: convolutions run fastest in that one."""
    return model.to(device).to(memory_format=torch.channels_last)
