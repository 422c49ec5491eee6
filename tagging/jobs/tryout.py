"""A user's own classes and functions, tried out on a few random clips before any work."""

from __future__ import annotations

import torch
from torch import Tensor

from tagging.augment.views import UserAugmentation
from tagging.config import AnyRecipe, Experiment, Stacker
from tagging.jobs import build
from tagging.jobs.user_files import user_codes
from tagging.training.losses import user_loss
from tagging.user_code import UserCode

_CLIPS, _CLASSES = 4, 3


def check_user_files(experiment: AnyRecipe) -> None:
    """Try each of the user's classes and functions on a few random clips; UserError for what does not work."""
    if isinstance(experiment, Stacker):
        return  # it has none
    size = (experiment.features.n_mels, experiment.sampling.frames)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for where, code in user_codes(experiment).items():
            if where == "model":
                _try_network(experiment, code, size)
            elif where.startswith("loss."):
                _try_loss(code)
            else:
                _try_augmentation(code, size)


def _try_network(experiment: Experiment, code: UserCode, size: tuple[int, int]) -> None:
    network = build.model_of(experiment, _CLASSES, 0, torch.device("cpu"), bare=True)
    if not any(weight.requires_grad for weight in network.parameters()):
        raise code.fail("has no weights to train")
    heads = getattr(experiment.model, "heads", 1)
    for training in (True, False):
        network.train(training)
        inputs = torch.randn(_CLIPS, 3, *size) / 2
        with code.errors():
            outputs = network(inputs)
            if training:
                torch.stack([logits.sum() for logits in outputs]).sum().backward()
        shapes = [list(logits.shape) for logits in outputs]
        if shapes != [[_CLIPS, _CLASSES]] * heads:
            raise code.fail(
                f"returns {' and '.join(map(str, shapes))} of {_CLIPS} clips and {_CLASSES} classes; it must return "
                f"{heads} times [{_CLIPS}, {_CLASSES}] (model.heads)"
            )
        _check_finite(code, *outputs)


def _try_loss(code: UserCode) -> None:
    logits = torch.randn(_CLIPS, _CLASSES, requires_grad=True)
    losses = user_loss(logits, torch.rand(_CLIPS, _CLASSES).round(decimals=1), code)
    _check_finite(code, losses)
    if not losses.requires_grad:
        raise code.fail("returns losses without a gradient")


def _try_augmentation(code: UserCode, size: tuple[int, int]) -> None:
    one = UserAugmentation(code)
    views = torch.rand(_CLIPS, *size) * 80 - 80
    changed = [
        one.apply(views.clone(), one.draw(_CLIPS, *size, torch.Generator().manual_seed(seed))) for seed in (1, 1)
    ]
    _check_finite(code, *changed)
    if not torch.equal(*changed):
        raise code.fail("gives other views for the same generator; it must draw from the generator alone")


def _check_finite(code: UserCode, *outputs: Tensor) -> None:
    if not all(bool(one.isfinite().all()) for one in outputs):
        raise code.fail("returns numbers that are not finite (NaN or infinite)")
