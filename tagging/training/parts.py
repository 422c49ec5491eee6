"""Everything that training changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


@dataclass
class Parts:
    """The network of a fold, and what moves its weights; `ema` is their running average where there is one."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None
    scaler: torch.amp.GradScaler
    ema: AveragedModel | None
