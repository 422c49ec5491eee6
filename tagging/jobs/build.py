"""From config sections to the plain arguments of the core: the only place that knows both."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from tagging import seeds
from tagging.augment.mixers import MixSettings
from tagging.augment.views import AUGMENTATIONS, ViewSettings
from tagging.config import Experiment, Recipe, Stacker
from tagging.config.sections.losses import AnyLoss
from tagging.config.sections.models import TimmModel
from tagging.config.sections.stacking import StackerModel
from tagging.config.sections.training import Optimizer
from tagging.errors import UserError
from tagging.jobs.inputs import initial_weights
from tagging.models import registry
from tagging.models.stacking import STACKERS
from tagging.models.timm_backbone import TimmBackbone, one_line
from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.training import setup
from tagging.training.checkpoint import load_weights
from tagging.training.losses import SourceLoss
from tagging.training.parts import Parts
from tagging.training.settings import FoldSettings, LossSettings


def device_of(experiment: Recipe) -> torch.device:
    """Return the device to train on, and set the number of CPU threads."""
    if experiment.threads:
        torch.set_num_threads(experiment.threads)
    name = experiment.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        _keep_freed_memory()
    if name.startswith("cuda"):
        if not torch.cuda.is_available():
            raise UserError(f"device is {name}, but torch sees no GPU here; allowed: auto, cpu")
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise UserError(f"device is {name}, but there are {torch.cuda.device_count()} GPUs, numbered from 0")
        # the same draws give the same numbers only with the same algorithms
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
    return torch.device(name)


def check_compile(experiment: Experiment, device: torch.device) -> None:
    """Stop where torch.compile is known to give wrong gradients: on CPUs below float32 (torch 2.11 to 2.15: NaN)."""
    precision = experiment.training.precision
    if experiment.training.compile and device.type == "cpu" and precision != "float32":
        raise UserError(
            f"training.compile is true with training.precision {precision} on a CPU, where compiled gradients come "
            "out as NaN; give --set training.compile=false, or training.precision=float32"
        )


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


def _keep_freed_memory() -> None:
    """Make glibc keep large freed blocks instead of handing them back to the kernel.

    A training step frees and takes the same hundreds of megabytes again, and each page handed back costs
    a fault: steps of the small network ran 1.3 times as fast without that. Other C libraries are left be.
    """
    m_trim_threshold, m_mmap_max = -1, -4  # from glibc's malloc.h
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)


def view_settings(experiment: Experiment) -> ViewSettings:
    """Return how one look at a clip is varied."""
    section = experiment.augment
    return ViewSettings(
        frames=experiment.sampling.frames,
        wrap_prob=section.wrap_prob,
        augmentations={name: kind(**getattr(section, name).model_dump()) for name, kind in AUGMENTATIONS.items()},
    )


def mix_settings(experiment: Experiment) -> MixSettings:
    """Return how two clips are mixed."""
    return MixSettings(**experiment.mixer.model_dump())


def loss_of(experiment: Experiment, keep_all: bool = False) -> SourceLoss:
    """Return the loss by source and head; with `keep_all` it drops no clip, whatever `keep_below` says."""
    return setup.loss_of(fold_settings(experiment), keep_all)


def model_of(
    experiment: Experiment, num_classes: int, fold: int, device: torch.device, bare: bool = False
) -> torch.nn.Module:
    """Return the network of a fold with its initial weights: drawn from (seed, fold), or, unless `bare`, from a file.

    A bare network is one whose weights are loaded next: neither the file nor a download is needed for it.
    """
    torch.manual_seed(seeds.derive(experiment.seed, fold, "weights"))
    return registry.placed(_network(experiment, num_classes, bare), device)


def _network(experiment: Experiment, num_classes: int, bare: bool = False) -> torch.nn.Module:
    arguments = network_arguments(experiment)
    if isinstance(experiment.model, TimmModel) and not bare:
        arguments |= {"weights": initial_weights(experiment), "download": experiment.model.download}
    return registry.build(num_classes=num_classes, **arguments)


def network_arguments(experiment: Experiment) -> dict[str, Any]:
    """Return the arguments of registry.build for a network whose weights are loaded next, `kind` included."""
    section = experiment.model
    if not isinstance(section, TimmModel):
        return section.model_dump()
    size = (experiment.features.n_mels, experiment.sampling.frames)
    return section.model_dump(exclude={"weights", "download"}) | {"size": size}


def parts_of(
    experiment: Experiment, num_classes: int, fold: int, device: torch.device, start: Path | None = None
) -> Parts:
    """Return everything that training changes, as it is before the first step; `start`: a checkpoint's weights."""
    model = model_of(experiment, num_classes, fold, device, bare=start is not None)
    if start is not None:
        load_weights(model, start)
    return setup.parts_of(model, fold_settings(experiment), device)


def stacker_parts_of(stacker: Stacker, inputs: int, num_classes: int, fold: int, device: torch.device) -> Parts:
    """Return everything that the training of a stacker changes; the initial weights are drawn from (seed, fold)."""
    torch.manual_seed(seeds.derive(stacker.seed, fold, "weights"))
    model = stacker_of(stacker, inputs, num_classes).to(device)
    optimizer = torch.optim.Adam(model.parameters(), **_adam(stacker.optimizer))
    steps = stacker.training.epochs * stacker.sampling.steps
    scheduler = setup.scheduler_of(optimizer, stacker.scheduler.model_dump(), steps)
    scaler = torch.amp.GradScaler(device.type, enabled=False)  # all in float32
    return Parts(model, optimizer, scheduler, scaler, ema=None)


def stacker_of(stacker: Stacker, inputs: int, num_classes: int) -> torch.nn.Module:
    """Return a stacker's model with weights from torch's global generator."""
    section = stacker.model
    return STACKERS[section.kind](inputs, num_classes, **stacker_arguments(section))


def stacker_arguments(section: StackerModel) -> dict[str, Any]:
    """Return the arguments of a stacker's network beside its inputs and classes; the others say how it is fitted."""
    return section.model_dump(exclude={"kind", "c", "min_leaf", "rate"})


def fold_settings(experiment: Experiment) -> FoldSettings:
    """Return how each fold is trained."""
    sampling, loss, training = experiment.sampling, experiment.loss, experiment.training
    heads = (1.0, loss.aux3_weight, loss.aux2_weight, loss.aux1_weight)
    return FoldSettings(
        seed=experiment.seed,
        views=view_settings(experiment),
        mixes=mix_settings(experiment),
        shares={CURATED: sampling.curated, NOISY: sampling.noisy, TRUSTED: sampling.trusted},
        batch_size=sampling.batch_size,
        draws_per_epoch=sampling.draws_per_epoch,
        losses=tuple(map(_loss_settings, (loss.curated, loss.noisy, loss.trusted))),
        head_weights=heads if experiment.model.kind in registry.WITH_SIDE_HEADS else heads[:1],
        optimizer=_adam(experiment.optimizer),
        scheduler=experiment.scheduler.model_dump(),
        ema_decay=training.ema_decay,
        epochs=training.epochs,
        patience=experiment.early_stopping.patience,
        precision=training.precision,
        compile=training.compile,
        validation_batch=experiment.predict.batch_size,
    )


def _loss_settings(loss: AnyLoss) -> LossSettings:
    arguments = loss.model_dump(exclude={"kind", "weight", "keep_below"})
    return LossSettings(loss.kind, arguments, loss.weight, loss.keep_below)


def _adam(optimizer: Optimizer) -> dict[str, Any]:
    return {
        "lr": optimizer.lr,
        "betas": (optimizer.beta1, optimizer.beta2),
        "eps": optimizer.eps,
        "weight_decay": optimizer.weight_decay,
    }
