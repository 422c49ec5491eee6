"""The epoch loop of one fold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from tagging import seeds
from tagging.errors import UserError
from tagging.training.batches import Batch
from tagging.training.history import EpochRecord, HeldOut, should_stop
from tagging.training.losses import SourceLoss
from tagging.training.parts import Parts

# Steps between two looks at the loss: each look waits for the device.
LOSS_CHECK_STEPS = 32


class Batches(Protocol):
    """The batches of one fold: so many `steps` an epoch, so many rows each."""

    steps: int
    batch_size: int

    def batch(self, epoch: int, step: int) -> Batch:
        """Make batch `step` of `epoch`: the same one whenever it is asked for."""


class Tracker(Protocol):
    """What the loop tells of itself; it must not block and must not raise."""

    def log_epoch(self, record: dict[str, float]) -> None:
        """Take the numbers of one epoch."""


class Keeper(Protocol):
    """Keeps what training has reached."""

    def resume(self, parts: Parts) -> list[EpochRecord]:
        """Set `parts` to what was kept last and return its epochs; [] where there is nothing."""

    def save(self, parts: Parts, history: Sequence[EpochRecord]) -> None:
        """Keep the newest epoch, the last of `history`."""


class Progress(Protocol):
    """A progress bar over the steps of all epochs."""

    def update(self, steps: int) -> object:
        """Move on by some steps."""

    def describe(self, record: EpochRecord) -> None:
        """Show the numbers of the newest epoch."""


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


def epochs(
    parts: Parts,
    batches: Batches,
    loss: SourceLoss,
    evaluate: Evaluate,
    settings: LoopSettings,
    checkpoints: Keeper,
    tracker: Tracker,
    progress: Progress,
) -> Iterator[EpochRecord]:
    """Train a fold to its end, from its last checkpoint on where there is one, epoch by epoch.

    Yields the records of all epochs, those before a break first and at once; each stands in the checkpoint
    by then. The same arguments give the same records, broken off and continued or not. Raises
    NonFiniteLoss with epoch, step and learning rate.
    """
    history = checkpoints.resume(parts)
    for record in history:
        tracker.log_epoch(record.as_dict())
    yield from list(history)
    progress.update(len(history) * batches.steps)
    forward = torch.compile(parts.model) if settings.compile else parts.model
    while len(history) < settings.epochs and not should_stop(history, settings.patience):
        record = _epoch(len(history) + 1, parts, forward, batches, loss, evaluate, settings, progress)
        history.append(record)
        if isinstance(parts.scheduler, ReduceLROnPlateau):
            parts.scheduler.step(record.val_lwlrap)
        elif parts.scheduler is not None and not isinstance(parts.scheduler, OneCycleLR):
            parts.scheduler.step()
        checkpoints.save(parts, history)
        tracker.log_epoch(record.as_dict())
        progress.describe(record)
        yield record


def _epoch(
    epoch: int,
    parts: Parts,
    forward: Callable[[Tensor], Sequence[Tensor]],
    batches: Batches,
    loss: SourceLoss,
    evaluate: Evaluate,
    settings: LoopSettings,
    progress: Progress,
) -> EpochRecord:
    lr = parts.optimizer.param_groups[0]["lr"]
    started = time.perf_counter()
    parts.model.train()
    losses: list[Tensor] = []
    for step in range(batches.steps):
        # dropout draws from the global generator of the device
        torch.manual_seed(seeds.derive(settings.seed, settings.fold, epoch, step, "dropout"))
        losses.append(train_step(parts, forward, batches.batch(epoch, step), loss, settings))
        progress.update(1)
        if len(losses) % LOSS_CHECK_STEPS == 0 or len(losses) == batches.steps:
            _check_finite(losses, epoch, lr)
    train_loss = float(torch.stack(losses).double().mean())
    # counted before validation, so that it measures training alone
    samples_per_s = batches.steps * batches.batch_size / (time.perf_counter() - started)
    held_out = evaluate(parts.model)
    return EpochRecord(
        epoch=epoch,
        time_ms=int(time.time() * 1000),
        train_loss=train_loss,
        **held_out._asdict(),
        lr=lr,
        samples_per_s=samples_per_s,
        val_lwlrap_ema=evaluate(parts.ema.module).val_lwlrap if parts.ema is not None else None,
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
