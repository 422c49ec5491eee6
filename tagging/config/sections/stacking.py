"""What a stacker has of its own: its models, and how the tiles of a clip are varied."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tagging.config.sections.fields import Count, OptionalCount, Positive, Probability, Section
from tagging.config.sections.training import EarlyStopping, Optimizer


class TileAugment(Section):
    """Which tiles of a clip a training step averages."""

    crop_prob: Probability = Field(0.5, description="probability of a run of 1 to all tiles in place of all")
    subset_prob: Probability = Field(0.5, description="probability that 1 to all of those are picked at random")


class FCNetModel(Section):
    """A gate on the inputs and three linear layers, trained epoch by epoch."""

    kind: Literal["fcnet"] = "fcnet"
    base_size: int = Field(512, ge=1, le=8192, description="units of the second layer; the first has twice as many")
    reduction: Count = Field(16, description="inputs over hidden units of the gate")
    dropout: float = Field(0.2, ge=0, lt=1, description="before the second and the third layer")


class LogisticModel(Section):
    """A logistic regression a class on standardised logits; reads no optimizer, epochs, draws or augmentation."""

    kind: Literal["logistic"] = "logistic"
    c: Positive = Field(0.1, description="inverse of the L2 penalty")


class BoostingModel(Section):
    """Gradient-boosted trees a class; reads no optimizer, epochs, draws or augmentation."""

    kind: Literal["boosting"] = "boosting"
    rounds: Count = Field(50, description="trees a class")
    leaves: int = Field(8, ge=2, le=65536, description="leaves of a tree, at most")
    min_leaf: Count = Field(5, description="clips of a leaf, at least")
    rate: float = Field(0.1, gt=0, le=1, description="learning rate: what a tree counts")


StackerModel = Annotated[FCNetModel | LogisticModel | BoostingModel, Field(discriminator="kind")]


class StackerOptimizer(Optimizer):
    """Adam (Kingma and Ba 2015)."""

    lr: Positive = Field(4e-5, description="learning rate")


class StackerStopping(EarlyStopping):
    """A fold ends when val_lwlrap has not risen for long."""

    patience: OptionalCount = Field(30, description="epochs without a rise that end the fold; null: never")
