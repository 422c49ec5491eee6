"""A stacker's models: fitted where they have no epochs, and asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tagging import seeds
from tagging.config import Stacker
from tagging.config.sections.stacking import BoostingModel, LogisticModel
from tagging.ensemble.rivals import fit_boosting, fit_logistic
from tagging.inference.blend import check_finite
from tagging.jobs import build

WEIGHTS = "checkpoints/best/model.safetensors"  # of a fold's run
Predictor = Callable[[np.ndarray], np.ndarray]  # probabilities of members [n, F] -> of the stacker [n, C], float32


@dataclass(frozen=True)
class Examples:
    """What a model without epochs is fitted on.

    `inputs` [N, F] are means over all tiles of each curated clip, `targets` [N, C] 0/1, `folds` [N], `removed` [N]
    bool: clips that no fold is fitted on.
    """

    inputs: np.ndarray
    targets: np.ndarray
    folds: np.ndarray
    removed: np.ndarray

    def without(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets of the clips of all other folds."""
        rows = (self.folds != fold) & ~self.removed
        return self.inputs[rows], self.targets[rows]


def fit(stacker: Stacker, examples: Examples, fold: int) -> nn.Module:
    """Fit a stacker's model by scikit-learn for a fold; it comes back as a network on the CPU."""
    inputs, targets = examples.without(fold)
    model = build.stacker_of(stacker, inputs.shape[1], targets.shape[1])
    model.load_state_dict({name: torch.from_numpy(part) for name, part in _fitted(stacker, inputs, targets, fold)})
    return model


def _fitted(stacker: Stacker, inputs: np.ndarray, targets: np.ndarray, fold: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the values of each part of the network's state."""
    section = stacker.model
    if isinstance(section, LogisticModel):
        weights = fit_logistic(inputs, targets, section.c)
        yield from (("mean", weights.mean), ("scale", weights.scale))
        yield from (("linear.weight", weights.weight), ("linear.bias", weights.bias))
    else:
        assert isinstance(section, BoostingModel)
        seed = seeds.derive(stacker.seed, fold, "boosting") % 2**32
        trees = fit_boosting(inputs, targets, section.rounds, section.leaves, section.min_leaf, section.rate, seed)
        yield from vars(trees).items()


def predictor_of(model: nn.Module) -> Predictor:
    """Return what a network predicts with; it is asked where its weights lie."""
    device = next(iter(model.state_dict().values())).device

    def predict(inputs: np.ndarray) -> np.ndarray:
        model.eval()
        with torch.inference_mode():
            logits = model(torch.from_numpy(inputs).to(device))[0]
            said: np.ndarray = torch.sigmoid(logits).cpu().numpy()
        check_finite(said, "the stacker's output", "train it with --again")
        return said

    return predict
