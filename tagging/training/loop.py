"""The epoch loop of one fold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel

from tagging import seeds
from tagging.errors import UserError
from tagging.training.batches import Batch
from tagging.training.history import EpochRecord, HeldOut, should_stop
from tagging.training.losses import SourceLoss

# Steps between two looks at the loss: each look waits for the device.
LOSS_CHECK_STEPS = 32


@dataclass
class Parts:
    """The network of a fold, its optimizer and scheduler; `ema` is the running average of the weights, or None."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler | None
    scaler: torch.amp.GradScaler
    ema: AveragedModel | None


class Batches(Protocol):
    """The batches of one fold: so many `steps` an epoch, so many rows each."""

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""

    @property
    def batch_size(self) -> int:
        """The number of rows in a batch."""

    def batch(self, epoch: int, step: int) -> Batch:
        """Make batch `step` of `epoch`: the same one whenever it is asked for."""


class Keeper(Protocol):
    """Keeps what training has reached."""

    def resume(self, parts: Parts) -> list[EpochRecord]:
        """Set `parts` to what was kept last and return its epochs; [] where there is nothing."""

    def save(self, parts: Parts, history: Sequence[EpochRecord]) -> None:
        """Keep the newest epoch, the last of `history`."""


class NonFiniteLoss(UserError):
    """The training loss became infinite or not a number."""


@dataclass(frozen=True)
class LoopSettings:
    """How long a fold trains, and in which precision.

    `epochs` at most; `patience` epochs without a rise of val_lwlrap end it, None never does;
    `dtype` of autocast, torch.float32 for none.
    """

    epochs: int
    patience: int | None
    dtype: torch.dtype
    device: torch.device
    seed: int
    fold: int
    compile: bool = False


Evaluate = Callable[[nn.Module], HeldOut]


@dataclass(frozen=True)
class FoldTraining:
    """What the epochs of a fold train, on which batches, and how."""

    parts: Parts
    batches: Batches
    loss: SourceLoss
    evaluate: Evaluate
    settings: LoopSettings


def epochs(training: FoldTraining, checkpoints: Keeper, progress: Callable[[int], object]) -> Iterator[EpochRecord]:
    """Train a fold to its end, from its last checkpoint on where there is one, epoch by epoch.

    Yields the records of all epochs, those of an earlier start first and at once; each stands in the checkpoint by
    then. `progress` takes the number of steps done since its last call. The same arguments give the same records,
    interrupted and continued or not. Raises NonFiniteLoss with epoch, step and learning rate.
    """
    parts, batches, settings = training.parts, training.batches, training.settings
    history = checkpoints.resume(parts)
    yield from list(history)
    progress(len(history) * batches.steps)
    forward = torch.compile(parts.model) if settings.compile else parts.model
    while len(history) < settings.epochs and not should_stop(history, settings.patience):
        record = _epoch(len(history) + 1, training, forward, progress)
        history.append(record)
        if isinstance(parts.scheduler, ReduceLROnPlateau):
            parts.scheduler.step(record.val_lwlrap)
        elif parts.scheduler is not None and not isinstance(parts.scheduler, OneCycleLR):
            parts.scheduler.step()
        checkpoints.save(parts, history)
        yield record


def _epoch(
    epoch: int,
    training: FoldTraining,
    forward: Callable[[Tensor], Sequence[Tensor]],
    progress: Callable[[int], object],
) -> EpochRecord:
    parts, batches, settings = training.parts, training.batches, training.settings
    lr = parts.optimizer.param_groups[0]["lr"]
    started = time.perf_counter()
    parts.model.train()
    losses: list[Tensor] = []
    for step in range(batches.steps):
        # dropout draws from the global generator of the device
        torch.manual_seed(seeds.derive(settings.seed, settings.fold, epoch, step, "dropout"))
        losses.append(train_step(parts, forward, batches.batch(epoch, step), training.loss, settings))
        progress(1)
        if len(losses) % LOSS_CHECK_STEPS == 0 or len(losses) == batches.steps:
            _check_finite(losses, epoch, lr)
    train_loss = float(torch.stack(losses).double().mean())
    # counted before validation, so that it measures training alone
    samples_per_s = batches.steps * batches.batch_size / (time.perf_counter() - started)
    held_out = training.evaluate(parts.model)
    return EpochRecord(
        epoch=epoch,
        time_ms=int(time.time() * 1000),
        train_loss=train_loss,
        **held_out._asdict(),
        lr=lr,
        samples_per_s=samples_per_s,
        val_lwlrap_ema=training.evaluate(parts.ema.module).val_lwlrap if parts.ema is not None else None,
    )


def train_step(
    parts: Parts,
    forward: Callable[[Tensor], Sequence[Tensor]],
    batch: Batch,
    loss: SourceLoss,
    settings: LoopSettings,
) -> Tensor:
    """Take one optimizer step on a batch and return its loss, a scalar on the device."""
    parts.optimizer.zero_grad(set_to_none=True)
    maps = batch.inputs.dim() == 4  # channels-last is the order in which convolutions run fastest
    inputs = batch.inputs.contiguous(memory_format=torch.channels_last) if maps else batch.inputs
    with torch.autocast(settings.device.type, settings.dtype, enabled=settings.dtype != torch.float32):
        outputs = forward(inputs)
    value = loss(outputs, batch.targets, batch.sources)
    parts.scaler.scale(value).backward()
    parts.scaler.step(parts.optimizer)
    parts.scaler.update()
    if isinstance(parts.scheduler, OneCycleLR):
        parts.scheduler.step()
    if parts.ema is not None:
        parts.ema.update_parameters(parts.model)
    return value.detach()


def _check_finite(losses: list[Tensor], epoch: int, lr: float) -> None:
    recent = torch.stack(losses[-LOSS_CHECK_STEPS:]).tolist()
    for offset, value in enumerate(recent):
        if not math.isfinite(value):
            step = len(losses) - len(recent) + offset + 1
            raise NonFiniteLoss(
                f"the training loss is {value} at epoch {epoch}, step {step}, learning rate {lr:g}; "
                "lower optimizer.lr, or use training.precision=float32"
            )
