"""The training and validation data of a stacker: probabilities of tiles, averaged clip by clip on the device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tagging import seeds
from tagging.sources import CURATED
from tagging.training.batches import Batch
from tagging.training.history import HeldOut
from tagging.training.losses import SourceLoss
from tagging.training.validation import held_out


@dataclass(frozen=True)
class ClipTiles:
    """The tiles of N clips, clip after clip: a clip has `lengths` [N] int64 of the rows of `rows` [T, F] float32.

    `rows` lies on the device, `lengths` on the CPU, where draws are made.
    """

    rows: Tensor
    lengths: Tensor

    def means(self, picked: Tensor, counts: Tensor) -> Tensor:
        """Return the mean [B, F] of `counts` [B] rows each, their numbers one after another in `picked`.

        `picked` [sum of counts] and `counts` are int64 on the CPU, every count at least 1.
        """
        device = self.rows.device
        first = (counts.cumsum(0) - counts).to(device)
        return F.embedding_bag(picked.to(device), self.rows, first, mode="mean")

    def clip_means(self) -> Tensor:
        """Return the mean [N, F] over all tiles of each clip."""
        return self.means(torch.arange(len(self.rows)), self.lengths)


@dataclass(frozen=True)
class TileDraws:
    """Which tiles of each of B clips are averaged: at most `size` [B] of the `length` [B] from number `start` [B] on.

    `keys` [sum of length] float64 in [0, 1): a clip's tiles with the smallest keys are those that count. All on the
    CPU, int64 but for the keys; start + length is at most the clip's number of tiles, size is 1 to length.
    """

    start: Tensor
    length: Tensor
    size: Tensor
    keys: Tensor


def draw_tiles(lengths: Tensor, crop_prob: float, subset_prob: float, generator: torch.Generator) -> TileDraws:
    """Draw the tiles of B clips that have `lengths` [B] int64 of them.

    With `crop_prob` a run of them: its length is uniform in 1 to all, its start uniform. With `subset_prob` some of
    these: their number is uniform in 1 to all, each set of that size as likely as any other.
    """

    def uniform(size: int) -> Tensor:
        return torch.rand(size, generator=generator, dtype=torch.float64)

    batch = len(lengths)
    cropped, some = uniform(batch) < crop_prob, uniform(batch) < subset_prob
    length = torch.where(cropped, 1 + (uniform(batch) * lengths).long(), lengths)
    start = (uniform(batch) * (lengths - length + 1)).long()
    size = torch.where(some, 1 + (uniform(batch) * length).long(), length)
    return TileDraws(start, length, size, uniform(int(length.sum())))


def picked_tiles(draws: TileDraws) -> Tensor:
    """Return the numbers within their clips [sum of size] of the tiles that were drawn, clip after clip."""
    slot = torch.repeat_interleave(draws.length)
    first = draws.length.cumsum(0) - draws.length
    order = (slot + draws.keys).argsort()
    rank = torch.arange(len(slot)) - first[slot]
    chosen = order[rank < draws.size[slot]]
    return draws.start[slot[chosen]] + rank[chosen]


@dataclass(frozen=True)
class TileBatches:
    """Makes the batches of one fold of a stacker.

    `targets` [N, C] float32 lie where `tiles.rows` do; `clips` [n] int64 on the CPU are those that draws, uniform and
    with replacement, come from. An epoch has `steps` batches.
    """

    tiles: ClipTiles
    targets: Tensor
    clips: Tensor
    crop_prob: float
    subset_prob: float
    batch_size: int
    steps: int
    seed: int
    fold: int

    @cached_property
    def _first(self) -> Tensor:
        return self.tiles.lengths.cumsum(0) - self.tiles.lengths

    def batch(self, epoch: int, step: int) -> Batch:
        """Make batch `step` of `epoch`: the same one whenever it is asked for."""
        generator = seeds.generator(self.seed, self.fold, epoch, step, "batch")
        place = torch.rand(self.batch_size, generator=generator, dtype=torch.float64)
        clips = self.clips[(place * len(self.clips)).long()]
        draws = draw_tiles(self.tiles.lengths[clips], self.crop_prob, self.subset_prob, generator)
        rows = torch.repeat_interleave(self._first[clips], draws.size) + picked_tiles(draws)
        targets = self.targets[clips.to(self.targets.device)]
        sources = torch.full((self.batch_size,), CURATED, device=targets.device)
        return Batch(self.tiles.means(rows, draws.size), targets, sources)


@dataclass(frozen=True)
class TileValidation:
    """The held-out clips of a fold: `inputs` [n, F], means over all tiles, and `targets` [n, C] 0/1, on one device."""

    inputs: Tensor
    targets: Tensor
    loss: SourceLoss

    def __call__(self, model: nn.Module) -> HeldOut:
        """Return the loss and the lwlrap."""
        model.eval()
        sources = torch.full((len(self.targets),), CURATED, device=self.targets.device)
        with torch.inference_mode():
            outputs = model(self.inputs)
            loss = self.loss(outputs, self.targets, sources)
        return held_out(loss, outputs[0], self.targets, "stacker", "lower optimizer.lr")
