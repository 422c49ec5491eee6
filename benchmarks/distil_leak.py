"""Do labels of held-out clips reach a student through its teacher? Labels are shuffled, so all must be at chance.

python -m benchmarks.distil_leak [shuffles] [data folder]

Each shuffle deals the curated clips' labels out anew, then trains a teacher on them, over folds, and three students:
on its out-of-fold probabilities of the curated clips, on the mean of these and the labels, and fold by fold on the
noisy clips alone. The reference is the teacher itself, which no leak can reach. Printed is how far the CV lwlrap lies
above that of the same scores with labels dealt out once more, the mean over shuffles and its standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tagging import seeds
from tagging.config import Experiment, load
from tagging.inference.blend import mean_over_tiles
from tagging.jobs.build import predict_rows
from tagging.jobs.earlier_runs import SoftTargets, SplitProbabilities
from tagging.jobs.experiment import ExperimentJob
from tagging.jobs.prepare import prepare
from tagging.metrics import lwlrap
from tagging.training.loop import train_step

STEPS = 120
CHANCE_DEALS = 100
# nothing that keeps a network from learning its clips by heart: the worst case
SETTINGS = (
    "folds.count=3 features.n_mels=32 sampling.frames=64 sampling.batch_size=16 sampling.draws_per_epoch=1920 "
    "sampling.curated=1 sampling.noisy=0 model.base_size=4 model.cbam_ratio=4 model.dropout=0 mixer.prob=0 "
    "augment.resized_crop.prob=0 augment.spec_augment.prob=0 optimizer.lr=3e-3 scheduler.kind=constant "
    "training.precision=float32 predict.tile_step=64 loss.noisy.kind=bce threads=1"
)
DEMO = "data.kind=demo demo.curated=60 demo.noisy=60 demo.test=0"
NOISY_ALONE = "sampling.curated=0 sampling.noisy=1"


def main(shuffles: int, data: Path | None) -> None:
    """Print the teacher's and the students' distance from chance."""
    settings = [SETTINGS, *([] if data else [DEMO])]
    job, noisy_alone = prepare(load("base", settings, data)), load("base", [*settings, NOISY_ALONE], data)
    found = []
    for number in range(shuffles):
        found.append(list(_distances(job, noisy_alone, number)))
        print(f"shuffle {number}: " + "  ".join(f"{distance:+.4f}" for distance in found[-1]), flush=True)
    distances = np.array(found)
    print(f"CV lwlrap above chance, {shuffles} shuffles of {len(job.folds)} clips, {job.num_folds} folds")
    names = ("teacher", "teacher.curated=1", "teacher.curated=0.5", "teacher.noisy=1, no curated clips drawn")
    for name, column in zip(names, distances.T, strict=True):
        _say(name, column)


def _say(name: str, values: np.ndarray) -> None:
    print(f"{name:<48} {values.mean():+.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}")


def _distances(job: ExperimentJob, noisy_alone: Experiment, number: int) -> Iterator[float]:
    """Return how far above chance teacher and students end after one shuffle."""
    rng = np.random.default_rng(seeds.derive(number, "labels"))
    labels = job.dataset.curated.labels[rng.permutation(len(job.folds))]
    experiment = job.recipe.model_copy(update={"seed": number})
    shuffled = replace(job, recipe=experiment, corrected=labels)
    curated, noisy = _train(shuffled)
    yield _above_chance(labels, curated, rng)
    out_of_fold = dict.fromkeys(range(job.num_folds), curated)
    students = (
        ("curated", 1.0, out_of_fold, experiment),
        ("curated", 0.5, out_of_fold, experiment),
        ("noisy", 1.0, noisy, noisy_alone),
    )
    for split, share, by_fold, settings in students:
        targets = SoftTargets("", (SplitProbabilities(job.rows[split], share, by_fold),))
        student = settings.model_copy(update={"seed": number + 1000})
        yield _above_chance(labels, _train(replace(shuffled, recipe=student, soft_targets=targets))[0], rng)


def _train(job: ExperimentJob) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return out-of-fold probabilities of the curated clips [N, C] and each fold's of the noisy ones [n, C]."""
    curated, noisy = np.zeros_like(job.corrected), {}
    for fold in range(job.num_folds):
        model = _fit(job, fold)
        held_out = np.flatnonzero(job.folds == fold)
        curated[held_out] = _predict(job, model, job.rows["curated"][held_out])
        noisy[fold] = _predict(job, model, job.rows["noisy"])
    return curated, noisy


def _fit(job: ExperimentJob, fold: int) -> torch.nn.Module:
    training = job.training(fold)
    model, settings = training.parts.model, replace(training.settings, dtype=torch.float32)
    model.train()
    for step in range(STEPS):
        train_step(training.parts, model, training.batches.batch(1, step), training.loss, settings)
    return model


def _predict(job: ExperimentJob, model: torch.nn.Module, rows: np.ndarray) -> np.ndarray:
    tiles = predict_rows(job.recipe, model, job.clips.logmels, rows, job.device, "predict")
    return mean_over_tiles(tiles.probabilities, tiles.clip, len(rows))


def _above_chance(labels: np.ndarray, scores: np.ndarray, rng: np.random.Generator) -> float:
    deals = (labels[rng.permutation(len(labels))] for _ in range(CHANCE_DEALS))
    return lwlrap(labels, scores) - float(np.mean([lwlrap(deal, scores) for deal in deals]))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
