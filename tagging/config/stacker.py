"""The schema of a stacker: a second-level model that learns from the out-of-fold predictions of other runs.

Its file has `kind: stacker` at its top. `experiments/stacker.yaml` repeats the defaults for people to read and a
test keeps the two equal.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tagging.config.schema import Recipe
from tagging.config.sections.data import Corrections
from tagging.config.sections.stacking import FCNetModel, StackerModel, StackerOptimizer, StackerStopping, TileAugment
from tagging.config.sections.training import Draws, Epochs, Plateau, Scheduler, check_schedule


class Stacker(Recipe):
    """One stacker: its members, its model and how that is trained; folds are those of the members."""

    kind: Literal["stacker"] = "stacker"
    members: tuple[str, ...] = Field((), description="RUNs in the order of their inputs, as [corr_noisy_007, 3f2a]")
    labels: Corrections = Corrections()
    sampling: Draws = Draws()
    augment: TileAugment = TileAugment()
    model: StackerModel = FCNetModel()
    optimizer: StackerOptimizer = StackerOptimizer()
    scheduler: Scheduler = Plateau()
    early_stopping: StackerStopping = StackerStopping()
    training: Epochs = Epochs()

    @model_validator(mode="after")
    def _once(self) -> Stacker:
        twice = [member for place, member in enumerate(self.members) if member in self.members[:place]]
        if twice:
            raise ValueError(f"members names {twice[0]} twice")
        return self

    @model_validator(mode="after")
    def _scheduled(self) -> Stacker:
        check_schedule(self.scheduler, self.optimizer.lr)
        return self
