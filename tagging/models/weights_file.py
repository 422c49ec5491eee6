"""A file of initial weights: what of it is a network's, and why it is not. A state dict maps names to tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from tagging.errors import UserError

State = Mapping[str, Tensor]
_COUNTER = ".num_batches_tracked"  # of batch normalisation; older files have none, and torch does without


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
