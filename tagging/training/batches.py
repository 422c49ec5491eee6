"""The batches of a training: every one a function of (seed, fold, epoch, step)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tagging import seeds
from tagging.augment.mixers import MixDraws, MixSettings, draw_mixes, mix_targets, mixup_, sigmoid_concat_
from tagging.augment.views import ViewDraws, ViewSettings, apply_views, draw_views
from tagging.features.deltas import Deltas
from tagging.features.table import LogMels
from tagging.training.sampling import SourcePools


@dataclass(frozen=True)
class Batch:
    """`inputs` float32, [B, 3, M, T] of a network, [B, F] of a stacker.

    `targets` [B, C] float32 in 0..1 and `sources` [B] int64 lie on the same device.
    """

    inputs: Tensor
    targets: Tensor
    sources: Tensor


@dataclass(frozen=True)
class TrainingBatches:
    """Makes the batches of one fold on `device`.

    `targets` [N, C] (row i belongs to clip i) lie on `device`, `logmels` there or on the CPU. An epoch has
    `steps` batches.
    """

    logmels: LogMels
    targets: Tensor
    pools: SourcePools
    views: ViewSettings
    mixes: MixSettings
    batch_size: int
    steps: int
    seed: int
    fold: int
    device: torch.device | str

    @cached_property
    def _lengths(self) -> Tensor:
        return self.logmels.lengths.cpu()

    def batch(self, epoch: int, step: int) -> Batch:
        """Make batch `step` of `epoch`: the same one whenever it is asked for."""
        generator = seeds.generator(self.seed, self.fold, epoch, step, "batch")
        rows, sources = self.pools.draw(self.batch_size, generator)
        mixes = draw_mixes(self.batch_size, self.mixes, generator)
        # only a mixed row has a partner, which has an augmentation of its own
        partners = self.pools.partners(sources[mixes.rows], generator)
        clips = torch.cat([rows, partners])
        views = draw_views(self._lengths[clips], self.views, self.logmels.n_mels, generator)
        return self._apply(clips.to(self.device), sources.to(self.device), views.to(self.device), mixes.to(self.device))

    def _apply(self, clips: Tensor, sources: Tensor, views: ViewDraws, mixes: MixDraws) -> Batch:
        size = [self.batch_size, len(mixes.rows)]
        looks, partners = apply_views(self.logmels, clips, views, self.views).split(size)
        # linear in the view, MixUp comes before the derivatives: a third of the work, and none for its partners
        inputs = Deltas()(mixup_(looks, partners, mixes))
        partner_inputs = Deltas()(partners.index_select(0, mixes.concat))
        targets, partner_targets = self.targets[clips].split(size)
        return Batch(
            inputs=sigmoid_concat_(inputs, partner_inputs, mixes),
            targets=mix_targets(targets, partner_targets, mixes, self.mixes.labels),
            sources=sources,
        )
