"""Networks by name."""

from __future__ import annotations

from typing import Any

from torch import nn

from tagging.models.aux_skip_attention import AuxSkipAttention

MODELS: dict[str, type[nn.Module]] = {
    "aux_skip_attention": AuxSkipAttention,
}


def build(kind: str, num_classes: int, **arguments: Any) -> nn.Module:
    """Return a new network `kind` with `num_classes` outputs a head.

    Its weights are drawn from torch's global generator. It maps [B, 3, M, T] to a tuple of float32
    logits [B, num_classes], the main head first. Raises ValueError for an unknown kind and TypeError
    for arguments that its class does not take.
    """
    if kind not in MODELS:
        raise ValueError(f"no network is called {kind!r}; there are {', '.join(MODELS)}")
    return MODELS[kind](num_classes, **arguments)
