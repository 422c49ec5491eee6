"""Any network of timm behind one linear layer. timm takes two seconds to import: it is, once a network is built."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tagging.errors import UserError, nearest
from tagging.models.blocks import float32_logits
from tagging.models.weights_file import misfit, part_of, read_weights


class TimmBackbone(nn.Module):
    """The network that timm calls `name` without its classifier, then dropout and a linear layer.

    `size` is (M, T) of the inputs, which some transformers are built for. Without `stem_pool` the max-pool of a
    ResNet's stem is taken out. The weights are random unless they come from `weights`, the path of a file that timm
    can read, or, with `download`, from timm's own store; a classifier among them is left out, and the first
    convolution is fitted to `in_channels`. Raises UserError for an unknown name, a network without such a pool,
    and weights that cannot be had.
    """

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        name: str,
        dropout: float,
        stem_pool: bool,
        weights: Path | None = None,
        download: bool = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        _check_name(name)
        if weights:
            self.backbone = _with_weights_of(weights, name, size, in_channels)
        elif download:
            self.backbone = _with_downloaded_weights(name, size, in_channels)
        else:
            self.backbone = _create(name, size, in_channels)
        if not stem_pool:
            _take_stem_pool_out(self.backbone, name)
        self.drop = nn.Dropout(dropout)
        self.logits = nn.Linear(self.backbone.head_hidden_size, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, in_channels, M, T] to the logits [B, num_classes] float32."""
        return (float32_logits(self.logits, self.drop(self.backbone(x))),)


def _check_name(name: str) -> None:
    import timm

    if name in timm.list_models() or name in timm.list_pretrained():
        return
    near = nearest(name.rpartition("/")[2], timm.list_models())  # what stands before it is a place
    hint = f"did you mean {near}? " if near else ""
    raise UserError(
        f"model.name is {name!r}; {hint}There are {len(timm.list_models())}, listed by "
        "`python -c 'import timm; print(*timm.list_models())'`"
    )


def _create(name: str, size: tuple[int, int], in_channels: int, **arguments: Any) -> Any:
    import timm

    if _config(name).fixed_input_size:
        arguments["img_size"] = size
    return timm.create_model(name, num_classes=0, in_chans=in_channels, **arguments)


def _config(name: str) -> Any:
    from timm.models import resolve_pretrained_cfg

    architecture, _, tag = name.partition(".")
    return resolve_pretrained_cfg(architecture, tag)


def _with_downloaded_weights(name: str, size: tuple[int, int], in_channels: int) -> Any:
    if not _config(name).has_weights:
        raise UserError(
            f"model.download: timm has no weights of {name}; give --set model.download=false for random ones, or a "
            "network of `python -c 'import timm; print(*timm.list_pretrained())'`"
        )
    try:
        return _create(name, size, in_channels, pretrained=True)
    except Exception as error:  # the network, its servers and each library on the way have their own
        raise UserError(
            f"model.download: no weights of {name} could be had: {one_line(error)}; "
            "give --set model.download=false for random weights, or name a file in model.weights"
        ) from None


def _with_weights_of(path: Path, name: str, size: tuple[int, int], in_channels: int) -> Any:
    with torch.device("meta"):  # names and shapes alone
        bare: dict[str, Tensor] = _create(name, size, in_channels).state_dict()
    config = _config(name)
    classifiers = [config.classifier] if isinstance(config.classifier, str) else config.classifier or []
    state = {
        weight: tensor
        for weight, tensor in part_of(read_weights(path), bare, path).items()
        if weight.rpartition(".")[0] not in classifiers
    }
    if not state:
        raise UserError(f"model.weights: {path} does not fit {name}: it holds a classifier alone")
    stem = f"{config.first_conv}.weight"
    fitted = stem in state and state[stem].ndim == 4  # to the input channels, by timm
    # with no classifier to be left out, timm asks for the weights of the whole network and no others
    described = {
        "state_dict": dict(state),
        "classifier": None,
        "num_classes": 0,
        "input_size": (state[stem].shape[1] if fitted else config.input_size[0], *config.input_size[1:]),
        "custom_load": False,
    }
    try:
        network = _create(name, size, in_channels, pretrained=True, pretrained_cfg_overlay=described)
    except Exception as error:  # timm fits each family of networks by code of its own
        why = misfit(state, bare, stem) or one_line(error)
        raise UserError(f"model.weights: {path} does not fit {name}: {why}") from None
    del network.pretrained_cfg["state_dict"]  # else every copy of the network holds them too
    return network


def _take_stem_pool_out(network: Any, name: str) -> None:
    if not isinstance(getattr(network, "maxpool", None), nn.Module):
        raise UserError(
            f"model.stem_pool is false, but {name} has no max-pool in its stem (the ResNet family has); "
            "give --set model.stem_pool=true"
        )
    network.maxpool = nn.Identity()


def one_line(error: Exception) -> str:
    """Return what an error says as a part of a sentence of at most 300 characters."""
    text = " ".join(str(error).split()).rstrip(".") or f"no reason is given ({type(error).__name__})"
    return textwrap.shorten(text, 300, placeholder=" …")
