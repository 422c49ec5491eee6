"""Two real steps of training, and what is to be seen of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tagging.jobs.experiment import ExperimentJob
from tagging.training.loop import train_step

FOLD, EPOCH, STEPS = 0, 1, 2


@dataclass(frozen=True)
class TwoSteps:
    """Two steps of fold 0: shapes and losses a step, and the state of the network after them."""

    steps_an_epoch: int
    inputs: list[tuple[int, ...]]
    targets: list[tuple[int, ...]]
    outputs: list[list[tuple[int, ...]]]  # a head each
    sources: list[list[int]]
    losses: list[float]
    seconds: list[float]
    parameters: int
    finite_gradients: bool  # every parameter has one, and it is finite


def two_steps(job: ExperimentJob) -> TwoSteps:
    """Train the first two steps of fold 0 with the member's own network, batches, loss and optimizer."""
    training = job.training(FOLD)
    parts, maker = training.parts, training.batches
    outputs: list[list[tuple[int, ...]]] = []

    def forward(inputs: Tensor) -> Sequence[Tensor]:
        heads = parts.model(inputs)
        outputs.append([tuple(head.shape) for head in heads])
        return heads

    parts.model.train()
    batches, losses, seconds = [], [], []
    for step in range(STEPS):
        started = time.perf_counter()
        batches.append(maker.batch(EPOCH, step))
        losses.append(float(train_step(parts, forward, batches[-1], training.loss, training.settings)))
        seconds.append(time.perf_counter() - started)
    parameters = list(parts.model.parameters())
    return TwoSteps(
        steps_an_epoch=maker.steps,
        inputs=[tuple(batch.inputs.shape) for batch in batches],
        targets=[tuple(batch.targets.shape) for batch in batches],
        outputs=outputs,
        sources=[batch.sources.tolist() for batch in batches],
        losses=losses,
        seconds=seconds,
        parameters=sum(parameter.numel() for parameter in parameters),
        finite_gradients=all(
            parameter.grad is not None and bool(torch.isfinite(parameter.grad).all()) for parameter in parameters
        ),
    )
