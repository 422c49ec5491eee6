"""A training step with fresh batches against the network alone on one fixed batch: what the pipeline costs.

python -m benchmarks.train_step [experiment]
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from tagging.config import load
from tagging.inference.predict import autocast_dtype
from tagging.jobs import build
from tagging.jobs.build import model_of
from tagging.jobs.device import device_of
from tagging.sources import CURATED
from tagging.training import setup
from tagging.training.batches import Batch, TrainingBatches
from tagging.training.loop import LoopSettings, train_step
from tagging.training.sampling import SourcePools
from tests.features.tables import table_of

CLASSES, CLIPS, STEPS = 10, 400, 12


def main(name: str) -> None:
    """Print milliseconds a step with and without the pipeline, step about, and the pipeline's share."""
    experiment = load(name)
    device = device_of(experiment)
    generator = torch.Generator().manual_seed(0)
    clips = [torch.rand(320, experiment.features.n_mels, generator=generator) * 80 - 80 for _ in range(CLIPS)]
    targets = torch.nn.functional.one_hot(torch.arange(CLIPS) % CLASSES, CLASSES).float()
    batches = TrainingBatches(
        table_of(clips).to(device),
        targets.to(device),
        SourcePools({CURATED: torch.arange(CLIPS)}, {CURATED: 1.0}),
        build.view_settings(experiment),
        build.mix_settings(experiment),
        experiment.sampling.batch_size,
        experiment.sampling.steps,
        seed=0,
        fold=0,
        device=device,
    )
    how = build.fold_settings(experiment)
    parts = setup.parts_of(model_of(experiment, CLASSES, 0, device), how, device)
    loss = setup.loss_of(how).to(device)
    dtype = autocast_dtype(experiment.training.precision, device)
    settings = LoopSettings(epochs=1, patience=None, dtype=dtype, device=device, seed=0, fold=0)
    parts.model.train()
    fixed = batches.batch(1, 0)

    def step(batch: Batch) -> float:
        return train_step(parts, parts.model, batch, loss, settings).item()

    whole, alone = [], []
    for number in range(-3, STEPS):  # the first three warm up
        # step about, so that a busy moment of the machine hits both
        started = time.perf_counter()
        step(batches.batch(1, number + 3))
        between = time.perf_counter()
        step(fixed)
        if number >= 0:
            whole.append(between - started)
            alone.append(time.perf_counter() - between)
    with_pipeline, without = np.median(whole) * 1e3, np.median(alone) * 1e3
    share = (with_pipeline - without) / with_pipeline
    print(f"with the pipeline {with_pipeline:.0f} ms   network alone {without:.0f} ms   a step of {name} on {device}")
    print(f"share of the pipeline {share:.1%}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "esc10_small")
