"""A stacker's models: built, fitted where they have no epochs, brought back from a run, and asked for probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tagging import seeds
from tagging.config import Stacker
from tagging.config.sections.stacking import BoostingModel, LogisticModel, StackerModel
from tagging.contract import File
from tagging.ensemble.second_level import fit_boosting, fit_logistic
from tagging.errors import UserError
from tagging.inference.blend import check_finite
from tagging.jobs.build import adam_of
from tagging.jobs.device import device_of
from tagging.models.stacking import STACKERS
from tagging.report.wording import count
from tagging.runs.finished import finished_folds
from tagging.runs.stored import stored_recipe
from tagging.tracking.files import REPLACE
from tagging.tracking.store import Run, Store
from tagging.training import setup
from tagging.training.checkpoint import load_weights
from tagging.training.loop import Parts

WEIGHTS = "checkpoints/best/model.safetensors"  # of a fold run


def stacker_model(stacker: Stacker, inputs: int, num_classes: int, fold: int) -> nn.Module:
    """Return a fold's model, its initial weights drawn from (seed, fold)."""
    torch.manual_seed(seeds.derive(stacker.seed, fold, "weights"))
    return STACKERS[stacker.model.kind](inputs, num_classes, **stacker_arguments(stacker.model))


def stacker_arguments(section: StackerModel) -> dict[str, Any]:
    """Return the arguments of a stacker's network beside its inputs and classes; the other fields are for fitting."""
    return section.model_dump(exclude={"kind", "c", "min_leaf", "rate"})


def stacker_parts(stacker: Stacker, model: nn.Module, device: torch.device) -> Parts:
    """Return everything that the epochs of a stacker change around its network, which lies on the device."""
    optimizer = torch.optim.Adam(model.parameters(), **adam_of(stacker.optimizer))
    steps = stacker.training.epochs * stacker.sampling.steps
    scheduler = setup.scheduler_of(optimizer, stacker.scheduler.model_dump(), steps)
    return Parts(model, optimizer, scheduler, torch.amp.GradScaler(device.type, enabled=False), ema=None)


def fit(stacker: Stacker, inputs: np.ndarray, targets: np.ndarray, fold: int) -> nn.Module:
    """Fit a fold's model by scikit-learn on `inputs` [n, F] and `targets` [n, C] 0/1; returns a network on the CPU."""
    section = stacker.model
    if isinstance(section, LogisticModel):
        fitted = fit_logistic(inputs, targets, section.c)
        state = {"mean": fitted.mean, "scale": fitted.scale, "linear.weight": fitted.weight, "linear.bias": fitted.bias}
    else:
        assert isinstance(section, BoostingModel)
        seed = seeds.derive(stacker.seed, fold, "boosting") % 2**32
        trees = fit_boosting(inputs, targets, section.rounds, section.leaves, section.min_leaf, section.rate, seed)
        state = vars(trees)
    model = stacker_model(stacker, inputs.shape[1], targets.shape[1], fold)
    model.load_state_dict({name: torch.from_numpy(part) for name, part in state.items()})
    return model


def predict_with(model: nn.Module, inputs: np.ndarray) -> np.ndarray:
    """Return a stacker's probabilities [n, C] float32 from those of its base runs [n, F], on its weights' device."""
    device = next(iter(model.state_dict().values())).device
    model.eval()
    with torch.inference_mode():
        probabilities: np.ndarray = torch.sigmoid(model(torch.from_numpy(inputs).to(device))[0]).cpu().numpy()
    check_finite(probabilities, "the stacker's output", "train it with --again")
    return probabilities


def restore_stacker(
    stacker: Stacker, num_classes: int, fold: int, run: Run, device: torch.device, store: Store
) -> nn.Module:
    """Return the model of a finished fold run."""
    model = stacker_model(stacker, len(stacker.members) * num_classes, num_classes, fold)
    with store.reading(run.id, WEIGHTS) as local:
        load_weights(model, local)
    return model.to(device)


def restore_folds(store: Store, run: Run, base_runs: int, num_classes: int) -> list[nn.Module]:
    """Return the models of a stacker's finished folds, by number of the fold.

    Raises UserError where it was trained on another number of base runs, or lacks folds or weights.
    """
    stacker = stored_stacker(store, run)
    if base_runs != len(stacker.members):
        listed = count(base_runs, "member")
        raise UserError(
            f"{run.title}: {File.STACKER} lists {listed}, but it was trained on {len(stacker.members)}; {REPLACE}"
        )
    device, folds = device_of(stacker), finished_folds(store, run)
    return [restore_stacker(stacker, num_classes, fold, folds[fold], device, store) for fold in sorted(folds)]


def predict_folds(models: Sequence[nn.Module], base_runs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the probabilities [K, n, C] float32 of new clips by the K models of `restore_folds`.

    `base_runs`: of each, in the order of `stored_base_runs`, [n, C] in 0..1, the geometric mean over its folds of the
    mean over tiles.
    """
    inputs = np.concatenate(base_runs, axis=1).astype(np.float32)
    return np.stack([predict_with(model, inputs) for model in models])


def stored_stacker(store: Store, run: Run) -> Stacker:
    """Return what a stacker was trained by, as `stored_recipe` does; UserError for a run of another kind."""
    stacker = stored_recipe(store, run)
    if not isinstance(stacker, Stacker):
        raise UserError(f"{run.title} is no stacker, but of kind {run.kind}")
    return stacker
