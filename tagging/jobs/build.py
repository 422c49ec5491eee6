"""From a config to the settings and networks of the core: the only place that knows both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tagging import seeds
from tagging.augment.mixers import MixSettings
from tagging.augment.views import AUGMENTATIONS, UserAugmentation, ViewSettings
from tagging.config import Experiment
from tagging.config.sections.losses import AnyLoss
from tagging.config.sections.models import PythonModel, TimmModel
from tagging.config.sections.training import Optimizer
from tagging.contract import File
from tagging.errors import UserError
from tagging.features.table import LogMels
from tagging.inference.blend import check_finite
from tagging.inference.predict import TileProbabilities, autocast_dtype, predict_tiles
from tagging.jobs.inputs import initial_weights
from tagging.jobs.user_files import user_codes
from tagging.models import registry
from tagging.models.timm_backbone import TimmBackbone, one_line
from tagging.progress import Bar
from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.tracking.store import Store
from tagging.training.checkpoint import load_weights, weights_file
from tagging.training.losses import Term
from tagging.training.setup import FoldSettings
from tagging.user_code import UserCode

TRAIN_AGAIN = "train with a lower optimizer.lr, or with training.precision=float32"


def view_settings(experiment: Experiment) -> ViewSettings:
    """Return how one look at a clip is varied."""
    section = experiment.augment
    return ViewSettings(
        frames=experiment.sampling.frames,
        wrap_prob=section.wrap_prob,
        augmentations={
            **{name: kind(**getattr(section, name).model_dump()) for name, kind in AUGMENTATIONS.items()},
            **{where: UserAugmentation(code) for where, code in user_codes(experiment).items() if "augment" in where},
        },
    )


def mix_settings(experiment: Experiment) -> MixSettings:
    """Return how two clips are mixed."""
    return MixSettings(**experiment.mixer.model_dump())


def fold_settings(experiment: Experiment) -> FoldSettings:
    """Return how each fold is trained."""
    sampling, loss, training = experiment.sampling, experiment.loss, experiment.training
    heads = (1.0, loss.aux3_weight, loss.aux2_weight, loss.aux1_weight)
    own = getattr(experiment.model, "heads", 1)  # of a network of the user's own
    codes = user_codes(experiment)
    return FoldSettings(
        seed=experiment.seed,
        views=view_settings(experiment),
        mixes=mix_settings(experiment),
        shares={CURATED: sampling.curated, NOISY: sampling.noisy, TRUSTED: sampling.trusted},
        batch_size=sampling.batch_size,
        steps=sampling.steps,
        losses=tuple(
            _term(getattr(loss, source), codes.get(f"loss.{source}")) for source in ("curated", "noisy", "trusted")
        ),
        head_weights=heads if experiment.model.kind in registry.WITH_SIDE_HEADS else heads[:own],
        optimizer=adam_of(experiment.optimizer),
        scheduler=experiment.scheduler.model_dump(),
        ema_decay=training.ema_decay,
        epochs=training.epochs,
        patience=experiment.early_stopping.patience,
        precision=training.precision,
        compile=training.compile,
        validation_batch=experiment.predict.batch_size,
    )


def _term(loss: AnyLoss, code: UserCode | None) -> Term:
    arguments = {"code": code} if code else loss.model_dump(exclude={"kind", "weight", "keep_below"})
    return Term(loss.kind, arguments, loss.weight, loss.keep_below)


def adam_of(optimizer: Optimizer) -> dict[str, Any]:
    """Return the arguments of torch's Adam."""
    return {
        "lr": optimizer.lr,
        "betas": (optimizer.beta1, optimizer.beta2),
        "eps": optimizer.eps,
        "weight_decay": optimizer.weight_decay,
    }


def model_of(
    experiment: Experiment, num_classes: int, fold: int, device: torch.device, bare: bool = False
) -> nn.Module:
    """Return the network of a fold with its initial weights: drawn from (seed, fold), or, unless `bare`, from a file.

    A bare network needs neither the file nor a download: its weights are loaded next.
    """
    torch.manual_seed(seeds.derive(experiment.seed, fold, "weights"))
    return registry.placed(_network(experiment, num_classes, bare), device)


def _network(experiment: Experiment, num_classes: int, bare: bool = False) -> nn.Module:
    arguments = network_arguments(experiment)
    if isinstance(experiment.model, TimmModel) and not bare:
        arguments |= {"weights": initial_weights(experiment), "download": experiment.model.download}
    return registry.build(num_classes=num_classes, **arguments)


def network_arguments(experiment: Experiment) -> dict[str, Any]:
    """Return the arguments of registry.build for a bare network, `kind` included."""
    section = experiment.model
    if isinstance(section, PythonModel):
        code = user_codes(experiment)["model"]
        return {"kind": section.kind, "frequency_channel": section.frequency_channel, "code": code}
    if not isinstance(section, TimmModel):
        return section.model_dump()
    size = (experiment.features.n_mels, experiment.sampling.frames)
    return section.model_dump(exclude={"weights", "download"}) | {"size": size}


def check_model(experiment: Experiment) -> None:
    """Stop where timm has no such network, and where it takes no such size or initial weights."""
    section = experiment.model
    if not isinstance(section, TimmModel):
        return  # the schema knows what the others take
    size = (experiment.features.n_mels, experiment.sampling.frames)
    channels = 4 if section.frequency_channel else 3
    try:
        with torch.device("meta"), torch.inference_mode():  # shapes alone
            network = TimmBackbone(2, size, section.name, section.dropout, section.stem_pool, in_channels=channels)
            network.eval().backbone(torch.zeros(2, channels, *size))
    except UserError:
        raise
    except Exception as error:  # each network of timm has its own
        raise UserError(
            f"model.name {section.name} does not take {size[0]} bands (features.n_mels) by {size[1]} frames "
            f"(sampling.frames): {one_line(error)}; "
            "give another sampling.frames or features.n_mels, or another network"
        ) from None
    if section.weights or section.download:
        _network(experiment, num_classes=2)


def restore_model(
    experiment: Experiment, num_classes: int, fold: int, run_id: str, device: torch.device, store: Store
) -> nn.Module:
    """Return the network of a finished fold with the weights that the experiment predicts with."""
    model = model_of(experiment, num_classes, fold, device, bare=True)
    path = weights_file(Path(File.CHECKPOINTS), experiment.predict.weights)
    with store.reading(run_id, path.as_posix()) as local:
        load_weights(model, local)
    return model


def predict_rows(
    experiment: Experiment,
    model: nn.Module,
    logmels: LogMels,
    rows: np.ndarray,
    device: torch.device,
    label: str,
) -> TileProbabilities:
    """Predict the tiles of `rows` [n], indices into `logmels`, with the settings of an experiment.

    `label` names the bar, and the network in a message: UserError where its output is not finite.
    """
    with Bar(label, "tile") as bar:
        tiles = predict_tiles(
            model,
            logmels,
            rows,
            experiment.sampling.frames,
            experiment.predict.tile_step,
            experiment.predict.batch_size,
            device,
            autocast_dtype(experiment.training.precision, device),
            bar.reach,
        )
    check_finite(tiles.probabilities, f"{label}, the network's output", TRAIN_AGAIN)
    return tiles
