"""Blends the probabilities of networks as the plan says: fold by fold, then the mean over folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from tagging.ensemble.blend import weighted_mean
from tagging.inference.blend import Probabilities, geometric_mean
from tagging.kernel.networks import Done
from tagging.kernel.plan import Blended, Member, Plan, Single, Stacked
from tagging.kernel.weights import read_weights
from tagging.models.stacking import STACKERS


def blended(plan: Plan, done: Done, weights: Path) -> Probabilities:
    """Return the plan's probabilities [n, C] from those of its networks, of which some may be missing.

    The weights of the others then grow in proportion. A stacker is left out where a member of it has no fold at all;
    where nothing else is left, the networks' geometric mean takes its place.
    """
    whole = _over_folds(plan.blend, plan, done, weights)
    if whole is None:
        print("warning: the stackers lack members; the geometric mean of the networks takes their place", flush=True)
        return geometric_mean(list(done.values()))
    return whole


def _over_folds(member: Member, plan: Plan, done: Done, weights: Path) -> Probabilities | None:
    folds = [_in_fold(member, fold, plan, done, weights) for fold in range(plan.num_folds)]
    there = [fold for fold in folds if fold is not None]
    return geometric_mean(there) if there else None


def _in_fold(member: Member, fold: int, plan: Plan, done: Done, weights: Path) -> Probabilities | None:
    match member:
        case Single():
            return done.get((member.name, fold))
        case Blended():
            inner = [_in_fold(one, fold, plan, done, weights) for one in member.members]
            there = [one for one in inner if one is not None]
            weights_there = [weight for one, weight in zip(inner, member.weights, strict=True) if one is not None]
            return weighted_mean(there, weights_there, member.method) if there else None
        case Stacked():
            blocks = [_over_folds(one, plan, done, weights) for one in member.members]
            if fold not in member.folds or any(block is None for block in blocks):
                return None
            return _stacked(member, blocks, len(plan.classes), weights / member.folds[fold].file)


def _stacked(member: Stacked, blocks: Sequence[Probabilities | None], num_classes: int, file: Path) -> Probabilities:
    """Return the probabilities [n, C] that a second-level network makes of its members' blocks [n, C]."""
    inputs = torch.from_numpy(np.concatenate([block for block in blocks if block is not None], axis=1))
    model = STACKERS[member.kind](inputs.shape[1], num_classes, **member.arguments)
    model.load_state_dict(read_weights(file))
    with torch.inference_mode():
        return torch.sigmoid(model.eval()(inputs)[0]).numpy()
