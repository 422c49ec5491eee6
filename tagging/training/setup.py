"""Puts the training of a fold together from plain settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LRScheduler, OneCycleLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tagging.augment.mixers import MixSettings
from tagging.augment.views import ViewSettings
from tagging.features.table import LogMels
from tagging.inference.predict import autocast_dtype
from tagging.training.batches import TrainingBatches
from tagging.training.loop import FoldTraining, LoopSettings, Parts
from tagging.training.losses import SourceLoss, Term
from tagging.training.sampling import SourcePools, SourceRows
from tagging.training.validation import Validation


@dataclass(frozen=True)
class FoldSettings:
    """How each fold of an experiment is trained.

    `shares` maps a source to its probability; an epoch has `steps` batches; `losses` stand in the order of
    sources.NAMES, `head_weights` in that of the network's outputs. `optimizer` holds Adam's arguments, `scheduler` a
    kind and its arguments. `patience` is in epochs, None for no end. A validation looks at `validation_batch` clips at
    once. `precision` is that of autocast.
    """

    seed: int
    views: ViewSettings
    mixes: MixSettings
    shares: dict[int, float]
    batch_size: int
    steps: int
    losses: tuple[Term, ...]
    head_weights: tuple[float, ...]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    ema_decay: float
    epochs: int
    patience: int | None
    precision: str
    compile: bool
    validation_batch: int


@dataclass(frozen=True)
class TrainingClips:
    """What the folds of an experiment train on: log-mels, targets [rows of them, C] on the device, what each row is."""

    logmels: LogMels
    targets: Tensor
    rows: SourceRows
    device: torch.device


def fold_training(
    model: nn.Module, settings: FoldSettings, clips: TrainingClips, fold: int, targets: Tensor | None = None
) -> FoldTraining:
    """Return what the epochs of a fold need around a network that lies on the device.

    `targets` [rows of the log-mels, C]: what is learned where that is not the clips' own targets, which the held-out
    clips are validated with in any case.
    """
    return FoldTraining(
        parts=parts_of(model, settings, clips.device),
        batches=batches_of(settings, clips, fold, clips.targets if targets is None else targets),
        loss=loss_of(settings).to(clips.device),
        evaluate=validation_of(settings, clips, fold),
        settings=LoopSettings(
            epochs=settings.epochs,
            patience=settings.patience,
            dtype=autocast_dtype(settings.precision, clips.device),
            device=clips.device,
            seed=settings.seed,
            fold=fold,
            compile=settings.compile,
        ),
    )


def parts_of(model: nn.Module, settings: FoldSettings, device: torch.device) -> Parts:
    """Return everything that training changes around a network that lies on the device."""
    optimizer = torch.optim.Adam(model.parameters(), **settings.optimizer)
    average = get_ema_multi_avg_fn(settings.ema_decay)
    return Parts(
        model=model,
        optimizer=optimizer,
        scheduler=scheduler_of(optimizer, settings.scheduler, settings.epochs * settings.steps),
        scaler=torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16"),
        ema=AveragedModel(model, multi_avg_fn=average, use_buffers=True) if settings.ema_decay else None,
    )


def scheduler_of(
    optimizer: torch.optim.Optimizer, scheduler: Mapping[str, Any], total_steps: int
) -> LRScheduler | None:
    """Return what moves the learning rate, from its `kind` and its arguments; None where nothing does.

    `total_steps` are the batches of all epochs.
    """
    arguments = {key: value for key, value in scheduler.items() if key != "kind"}
    match scheduler["kind"]:
        case "constant":
            return None
        case "plateau":
            return ReduceLROnPlateau(optimizer, mode="max", **arguments)
        case "cosine":
            return CosineAnnealingWarmRestarts(optimizer, arguments["first"], arguments["growth"], arguments["min_lr"])
        case "one_cycle":
            steps, rise = max(total_steps, 3), arguments["rise"]
            return OneCycleLR(
                optimizer,
                max_lr=optimizer.param_groups[0]["lr"],
                total_steps=steps,
                pct_start=rise if rise * steps > 1 else 2 / steps,  # however short it is, its second step is the peak
                div_factor=arguments["start_factor"],
                final_div_factor=arguments["end_factor"],
                cycle_momentum=False,
            )
        case kind:
            raise ValueError(f"no scheduler is called {kind!r}")


def loss_of(settings: FoldSettings, keep_all: bool = False) -> SourceLoss:
    """Return the loss by source and head; with `keep_all` it drops no clip, whatever `keep_below` is."""
    terms = [replace(term, keep_below=1.0) for term in settings.losses] if keep_all else settings.losses
    return SourceLoss(terms, settings.head_weights)


def batches_of(settings: FoldSettings, clips: TrainingClips, fold: int, targets: Tensor) -> TrainingBatches:
    """Return the maker of a fold's batches."""
    pools = {source: torch.from_numpy(pool) for source, pool in clips.rows.pools(fold).items()}
    return TrainingBatches(
        logmels=clips.logmels,
        targets=targets,
        pools=SourcePools(pools, settings.shares),
        views=settings.views,
        mixes=settings.mixes,
        batch_size=settings.batch_size,
        steps=settings.steps,
        seed=settings.seed,
        fold=fold,
        device=clips.device,
    )


def validation_of(settings: FoldSettings, clips: TrainingClips, fold: int) -> Validation:
    """Return what looks at a fold's held-out clips; its loss drops none."""
    held_out = torch.from_numpy(clips.rows.held_out(fold))
    return Validation(
        logmels=clips.logmels,
        clips=held_out,
        targets=clips.targets[held_out.to(clips.device)],
        loss=loss_of(settings, keep_all=True).to(clips.device),
        window=settings.views.frames,
        batch_size=settings.validation_batch,
        device=clips.device,
        dtype=autocast_dtype(settings.precision, clips.device),
    )
