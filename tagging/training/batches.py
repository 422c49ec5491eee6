"""The batches of a training: every one a function of (seed, fold, epoch, step)."""

from __future__ import annotations

from dataclasses import dataclass

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
    """`inputs` float32, [B, 3, M, T] of a network that hears, [B, F] of a stacker.

    `targets` [B, C] float32 in 0..1 and `sources` [B] int64 lie on the same device.
    """

    inputs: Tensor
    targets: Tensor
    sources: Tensor


class TrainingBatches:
    """Makes the batches of one fold on `device`.

    `targets` [N, C] (row i belongs to clip i) lie on `device`, `logmels` there or on the CPU. An epoch has
    as many batches as `draws_per_epoch` fills, the last one in full.
    """

    def __init__(
        self,
        logmels: LogMels,
        targets: Tensor,
        pools: SourcePools,
        views: ViewSettings,
        mixes: MixSettings,
        batch_size: int,
        draws_per_epoch: int,
        seed: int,
        fold: int,
        device: torch.device | str,
    ) -> None:
        self.steps = -(-draws_per_epoch // batch_size)
        self._logmels = logmels
        self._lengths = logmels.lengths.cpu()
        self._targets = targets
        self._pools = pools
        self._views = views
        self._mixes = mixes
        self.batch_size = batch_size
        self._seed, self._fold = seed, fold
        self._device = device
        self._deltas = Deltas()

    def batch(self, epoch: int, step: int) -> Batch:
        """Make batch `step` of `epoch`: the same one whenever it is asked for."""
        generator = seeds.generator(self._seed, self._fold, epoch, step, "batch")
        rows, sources = self._pools.draw(self.batch_size, generator)
        mixes = draw_mixes(self.batch_size, self._mixes, generator)
        # only a mixed row has a partner, which has an augmentation of its own
        partners = self._pools.partners(sources[mixes.rows], generator)
        clips = torch.cat([rows, partners])
        views = draw_views(self._lengths[clips], self._views, self._logmels.n_mels, generator)
        return self._apply(
            clips.to(self._device),
            sources.to(self._device),
            views.to(self._device),
            mixes.to(self._device),
        )

    def _apply(self, clips: Tensor, sources: Tensor, views: ViewDraws, mixes: MixDraws) -> Batch:
        size = [self.batch_size, len(mixes.rows)]
        looks, partners = apply_views(self._logmels, clips, views, self._views).split(size)
        # linear in the view, MixUp comes before the derivatives: a third of the work, and none for its partners
        inputs = self._deltas(mixup_(looks, partners, mixes))
        partner_inputs = self._deltas(partners.index_select(0, mixes.concat))
        targets, partner_targets = self._targets[clips].split(size)
        return Batch(
            inputs=sigmoid_concat_(inputs, partner_inputs, mixes),
            targets=mix_targets(targets, partner_targets, mixes, self._mixes.labels),
            sources=sources,
        )
