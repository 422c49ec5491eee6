"""The numbers of an epoch on the held-out fold: one centre crop a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tagging.errors import UserError
from tagging.features.deltas import Deltas
from tagging.features.table import LogMels, centre_starts, cut_windows
from tagging.metrics import lwlrap
from tagging.sources import CURATED
from tagging.training.history import HeldOut
from tagging.training.losses import SourceLoss


@dataclass(frozen=True)
class Validation:
    """The held-out clips of a fold and how they are predicted.

    `clips` [n] int64 indices into `logmels`, of curated clips, with the loss of curated clips; `targets` [n, C] 0/1
    on `device`. `logmels` may lie there or on the CPU. `dtype` is autocast's, torch.float32 for none.
    """

    logmels: LogMels
    clips: Tensor
    targets: Tensor
    loss: SourceLoss
    window: int
    batch_size: int
    device: torch.device
    dtype: torch.dtype

    def __call__(self, model: nn.Module) -> HeldOut:
        """Return the loss averaged over batches and the lwlrap of the main head."""
        model.eval()
        deltas = Deltas()
        losses, logits = [], []
        clips = self.clips.to(self.device)
        starts = centre_starts(self.logmels.lengths.to(self.device)[clips], self.window)
        for first in range(0, len(clips), self.batch_size):
            part = slice(first, first + self.batch_size)
            windows = cut_windows(self.logmels, clips[part], starts[part], self.window)
            inputs = deltas(windows).contiguous(memory_format=torch.channels_last)
            targets = self.targets[part]
            sources = torch.full((len(targets),), CURATED, device=self.device)
            with (
                torch.inference_mode(),
                torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32),
            ):
                outputs = model(inputs)
                losses.append(self.loss(outputs, targets, sources))
            logits.append(outputs[0])
        what, advice = "network", "lower optimizer.lr, or use training.precision=float32"
        return held_out(torch.stack(losses).mean(), torch.cat(logits), self.targets, what, advice)


def held_out(loss: Tensor, logits: Tensor, targets: Tensor, what: str, advice: str) -> HeldOut:
    """Return the numbers of held-out clips of their loss and main logits [n, C]; UserError where these are not finite.

    `targets` [n, C] are 0/1; `what` and `advice` are parts of the message.
    """
    scores = logits.cpu().numpy()
    if not np.isfinite(scores).all():
        raise UserError(f"the {what}'s output on the held-out fold is not finite; {advice}")
    # logits rank as their sigmoids do, but do not tie where those are rounded to 1
    return HeldOut(float(loss), lwlrap(targets.cpu().numpy(), scores))
