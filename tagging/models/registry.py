"""Networks by name."""

from __future__ import annotations

from typing import Any

from torch import nn

from tagging.models.aux_skip_attention import AuxSkipAttention, RnnAuxSkipAttention
from tagging.models.simple import FeatureExtractor, SimpleAttention, SimpleKaggle
from tagging.models.skip_attention import SkipAttention

MODELS: dict[str, type[nn.Module]] = {
    "skip_attention": SkipAttention,
    "aux_skip_attention": AuxSkipAttention,
    "rnn_aux_skip_attention": RnnAuxSkipAttention,
    "simple_attention": SimpleAttention,
    "simple_kaggle": SimpleKaggle,
    "feature_extractor": FeatureExtractor,
}

# these return the logits of three side heads too
WITH_SIDE_HEADS = ("aux_skip_attention", "rnn_aux_skip_attention")


def build(kind: str, num_classes: int, **arguments: Any) -> nn.Module:
    """Return a new network `kind` with `num_classes` outputs a head.

    Its weights are drawn from torch's global generator. It maps [B, 3, M, T] to a tuple of float32
    logits [B, num_classes], the main head first. Raises ValueError for an unknown kind and TypeError
    for arguments that its class does not take.
    """
    if kind not in MODELS:
        raise ValueError(f"no network is called {kind!r}; there are {', '.join(MODELS)}")
    return MODELS[kind](num_classes, **arguments)
