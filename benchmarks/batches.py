"""Training batches: ours, batched, against a pipeline that goes clip by clip through NumPy, PIL and librosa.

python -m benchmarks.batches
"""

from __future__ import annotations

import librosa
import numpy as np
import torch

from benchmarks.timing import best_of, use_one_core
from tagging.config import load
from tagging.jobs import build
from tagging.sources import CURATED
from tagging.training.batches import TrainingBatches
from tagging.training.sampling import SourcePools
from tests.features.tables import table_of
from tests.reference import mixers, views

CLIPS, CLASSES, BATCH, FRAMES, MELS = 200, 80, 128, 256, 128
BASE = load("base", [f"sampling.frames={FRAMES}"])
VIEWS, MIXES = build.view_settings(BASE), build.mix_settings(BASE)


def main() -> None:
    """Print milliseconds a batch of both and their ratio, on one core each."""
    use_one_core()
    random = np.random.default_rng(0)
    clips = [random.uniform(-80, 0, (MELS, random.integers(60, 900))).astype(np.float32) for _ in range(CLIPS)]
    labels = np.eye(CLASSES, dtype=np.float32)[random.integers(0, CLASSES, CLIPS)]
    ours = TrainingBatches(
        table_of([torch.from_numpy(clip.T).half() for clip in clips]),
        torch.from_numpy(labels),
        SourcePools({CURATED: torch.arange(CLIPS)}, {CURATED: 1.0}),
        VIEWS,
        MIXES,
        BATCH,
        1,
        seed=0,
        fold=0,
        device="cpu",
    )
    slow, fast = best_of(10, lambda: _batch(clips, labels, random), lambda: ours.batch(1, 0))
    print(f"clip by clip  {slow * 1e3:6.0f} ms   ours {fast * 1e3:6.0f} ms   a batch of {BATCH}, one core each")
    print(f"ratio         {slow / fast:.1f}")


def _batch(clips: list[np.ndarray], labels: np.ndarray, random: np.random.Generator) -> list[torch.Tensor]:
    items = [_item(clips, labels, random) for _ in range(BATCH)]
    return [torch.stack([torch.from_numpy(part) for part in parts]) for parts in zip(*items, strict=True)]


def _item(clips: list[np.ndarray], labels: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    index = random.integers(len(clips))
    x, y = _channels(_view(clips[index], random)), labels[index]
    if random.random() >= MIXES.prob:
        return x, y
    index = random.integers(len(clips))
    partner, partner_y = _channels(_view(clips[index], random)), labels[index]
    if random.random() < MIXES.sigmoid_share:
        return mixers.sigmoid_concat(x, y, partner, partner_y, int(random.integers(3, 13)))
    return mixers.mixup(x, y, partner, partner_y, random.uniform(0, 0.5), MIXES.labels)


def _channels(view: np.ndarray) -> np.ndarray:
    """In float32, unlike the reference of the tests, which is a yardstick of precision."""
    return np.stack([view, librosa.feature.delta(view), librosa.feature.delta(view, order=2)]) / np.float32(100)


def _view(clip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    start = int(random.integers(0, max(clip.shape[1] - FRAMES, 0) + 1))
    view = views.crop(clip, FRAMES, start, bool(random.random() < VIEWS.wrap_prob))
    if random.random() < VIEWS.augmentations["resized_crop"].prob:
        height, width = int(random.integers(107, 129)), int(random.integers(211, 257))
        top, left = int(random.integers(0, MELS - height + 1)), int(random.integers(0, FRAMES - width + 1))
        view = views.resized_crop(view, top, left, height, width)
    if random.random() < VIEWS.augmentations["spec_augment"].prob:
        rounds = int(random.integers(1, 3))
        bands = [(int(random.integers(0, 100)), int(random.integers(0, 20))) for _ in range(rounds)]
        spans = [(int(random.integers(0, 200)), int(random.integers(0, 52))) for _ in range(rounds)]
        view = views.spec_augment(view, bands, spans)
    return view


if __name__ == "__main__":
    main()
