"""Networks by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tagging.models.aux_skip_attention import AuxSkipAttention, RnnAuxSkipAttention
from tagging.models.frequency_channel import FrequencyChannel
from tagging.models.simple import FeatureExtractor, SimpleAttention, SimpleKaggle
from tagging.models.skip_attention import SkipAttention
from tagging.models.timm_backbone import TimmBackbone
from tagging.models.user_network import UserNetwork

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
