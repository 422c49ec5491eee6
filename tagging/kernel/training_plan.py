"""What a kernel that trains is told beside its plan: the folds, the label lists, and how each network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagging.kernel.plan import Plan
from tagging.training.settings import FoldSettings


@dataclass(frozen=True)
class NetworkTraining:
    """How the folds of one network are trained.

    `corrections` and `selection` are label lists (fname -> new labels or "remove"), None where there is none;
    `noisy_pool` says whether noisy draws come from all clips or trusted ones alone; `weights` what a fold predicts
    with; clips that cannot be decoded stop a training unless `skip_unreadable`.
    """

    settings: FoldSettings
    corrections: dict[str, str] | None
    selection: dict[str, str] | None
    noisy_pool: Literal["all", "trusted"]
    weights: Literal["best", "last", "ema"]
    skip_unreadable: bool


@dataclass(frozen=True)
class TrainingPlan:
    """A plan whose weights are made on the spot.

    `folds` holds the fnames of each fold; `networks` says how each network is trained, by its name.
    """

    plan: Plan
    folds: tuple[tuple[str, ...], ...]
    networks: dict[str, NetworkTraining]
