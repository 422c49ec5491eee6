"""Files of weights in NumPy's format (.npz), read without unpickling, on a machine that has no safetensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tagging.errors import UserError
from tagging.kernel.plan import Blended, Member, Plan, Stacked, Weights


def write_weights(state: Mapping[str, Tensor], path: Path) -> Weights:
    """Write a network's state to a file and return its name and digest; equal states give equal files."""
    np.savez(path, allow_pickle=False, **{key: value.detach().cpu().numpy() for key, value in state.items()})
    return Weights(path.name, digest_of(path))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a network's state."""
    with np.load(path, allow_pickle=False) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def digest_of(path: Path) -> str:
    """Return the sha256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def all_weights(plan: Plan) -> list[Weights]:
    """Return the files of weights that a plan needs, each once."""
    files = [weights for network in plan.networks for weights in network.folds.values()]
    return list(dict.fromkeys([*files, *_of_stackers(plan.blend)]))


def _of_stackers(member: Member) -> Iterable[Weights]:
    if isinstance(member, Stacked):
        yield from member.folds.values()
    if isinstance(member, (Blended, Stacked)):
        for inner in member.members:
            yield from _of_stackers(inner)


def check_weights(plan: Plan, folder: Path) -> None:
    """Raise UserError that names all files of weights that are missing, or are not those that were packed."""
    problems = []
    for weights in all_weights(plan):
        path = folder / weights.file
        if not path.is_file():
            problems.append(f"{path}: the weights are missing")
        elif digest_of(path) != weights.sha256:
            problems.append(f"{path}: the weights are damaged, or of another kernel")
    if problems:
        raise UserError(*problems, f"copy the folder {folder.name} again from where it was packed")
