"""Any network of timm behind one linear layer, and files of weights that it starts from.

timm takes two seconds to import: it is, once a network is built. A state dict maps names to tensors.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tagging.errors import UserError, nearest
from tagging.models.blocks import float32_logits

State = Mapping[str, Tensor]
_COUNTER = ".num_batches_tracked"  # of batch normalisation; older files have none, and torch does without


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
            if not isinstance(getattr(self.backbone, "maxpool", None), nn.Module):
                raise UserError(
                    f"model.stem_pool is false, but {name} has no max-pool in its stem (the ResNet family has); "
                    "give --set model.stem_pool=true"
                )
            self.backbone.maxpool = nn.Identity()
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


def one_line(error: Exception) -> str:
    """Return what an error says as a part of a sentence of at most 300 characters."""
    text = " ".join(str(error).split()).rstrip(".") or f"no reason is given ({type(error).__name__})"
    return textwrap.shorten(text, 300, placeholder=" …")


def read_weights(path: Path) -> State:
    """Return the state dict of a file, or the only one among other things there. Nothing but tensors is unpickled.

    Raises UserError where there is no such file, where it is of something else, and for numbers that are not finite.
    """
    from timm.models import load_state_dict  # here, since timm takes two seconds

    if not path.is_file():
        raise UserError(f"model.weights: {path}: there is no such file; its path is relative to the project's root")
    try:
        state = _state_in(load_state_dict(str(path), weights_only=True))
        broken = [name for name, weight in state.items() if not weight.float().isfinite().all()]
    except Exception:  # of safetensors, zip archives and pickle, by what is wrong
        raise UserError(
            f"model.weights: {path} cannot be read as weights; it must be a state dict saved by torch.save, "
            "or by safetensors if its name ends in .safetensors"
        ) from None
    if broken:
        raise UserError(
            f"model.weights: {path} holds NaN, or numbers that are infinite in float32, in {len(broken)} of its "
            f"{len(state)} tensors {_some(broken)}; give another file"
        )
    return state


def _state_in(content: dict[str, Any]) -> State:
    state, *others = [value for value in content.values() if _is_state(value)] or [content]
    if others or not _is_state(state):
        raise TypeError
    return state


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(weight, Tensor) for weight in value.values())


def part_of(state: State, network: State, path: Path) -> State:
    """Return the part of a file's `state` that is the network, under the names that the network has for itself.

    A file that was saved of the network within another has `backbone.` or the like before the names. Where no part has
    all names of the network, all of `state` is returned. Raises UserError where several have.
    """
    names = _names(network)
    before = [found.removesuffix(names[0]) for found in state if f".{found}".endswith(f".{names[0]}")]
    whole = [prefix for prefix in before if all(prefix + name in state for name in names)]
    if "" in whole or not whole:
        return state
    if len(whole) > 1:
        raise UserError(
            f"model.weights: {path} holds the network {len(whole)} times, its names behind "
            f"{' and behind '.join(map(repr, whole))}; save the state dict of one of them"
        )
    return {name.removeprefix(whole[0]): weight for name, weight in state.items() if name.startswith(whole[0])}


def misfit(state: State, network: State, stem: str) -> str:
    """Return in which names or else shapes a file's `state` differs from the network's; empty where in none.

    The weight `stem` may have another number of input channels.
    """
    names = _names(network)
    lacking = [name for name in names if name not in state]
    others = [name for name in state if name not in network]
    if lacking or others:
        said = [f"lacks {len(lacking)} of the network's {len(names)} tensors {_some(lacking)}"] if lacking else []
        said += [f"holds {len(others)} that the network has not {_some(others)}"] if others else []
        return f"it {' and '.join(said)}"
    shapes = {name: (list(state[name].shape), list(network[name].shape)) for name in names}
    if stem in shapes:
        own, wanted = shapes[stem]
        wanted[1:2] = own[1:2]
    other = [f"{name}: {own}, not {wanted}" for name, (own, wanted) in shapes.items() if own != wanted]
    return f"shapes differ in {len(other)} of {len(shapes)} tensors ({other[0]})" if other else ""


def _names(network: State) -> list[str]:
    return [name for name in network if not name.endswith(_COUNTER)]


def _some(names: Sequence[str]) -> str:
    shown = names[0] if names[0].isprintable() else repr(names[0])
    return f"({shown[:80]}{', …' if len(names) > 1 else ''})"
