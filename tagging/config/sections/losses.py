"""The losses: one for each source of clips, and the weights of a network's heads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tagging.config.sections.fields import Name, Section, Share, UserFile, Weight


class SourceLoss(Section):
    """What the loss of every source has."""

    kind: str
    weight: Weight = Field(0.5, description="weight of a clip of this source")
    keep_below: float = Field(
        1.0, gt=0, le=1, description="clips whose loss exceeds this share of the batch's largest are dropped; 1: none"
    )


class BceLoss(SourceLoss):
    """Binary cross-entropy."""

    kind: Literal["bce"] = "bce"


class SoftBceLoss(SourceLoss):
    """L_soft: binary cross-entropy against a mixture of the label and the network's own prediction."""

    kind: Literal["soft_bce"] = "soft_bce"
    beta: Share = Field(0.7, description="share of the given label, the rest is the prediction")


class LqLoss(SourceLoss):
    """L_q, between binary cross-entropy (q to 0) and the absolute error (q = 1)."""

    kind: Literal["lq"] = "lq"
    q: float = Field(0.5, ge=1e-3, le=1, description="the larger, the less a clip counts that fits its label badly")


class FocalLoss(SourceLoss):
    """Binary cross-entropy in which classes that are predicted well count less."""

    kind: Literal["focal"] = "focal"
    gamma: float = Field(2.0, ge=0, le=10, description="how much less; 0: binary cross-entropy")


class LsepLoss(SourceLoss):
    """LSEP, a rank loss: each class that is there should score above each that is not."""

    kind: Literal["lsep"] = "lsep"


class PythonLoss(SourceLoss, UserFile):
    """A loss of the user's own: a function in a Python file."""

    kind: Literal["python"] = "python"
    function: Name = Field(description="its name")


AnyLoss = Annotated[BceLoss | SoftBceLoss | LqLoss | FocalLoss | LsepLoss | PythonLoss, Field(discriminator="kind")]


class Loss(Section):
    """The loss of each source, a sum over the heads of the network."""

    curated: AnyLoss = BceLoss()
    trusted: AnyLoss = BceLoss()
    noisy: AnyLoss = SoftBceLoss()
    aux3_weight: Weight = Field(0.4, description="weight of the deepest side head; the main head has 1")
    aux2_weight: Weight = Field(0.2, description="weight of the middle side head")
    aux1_weight: Weight = Field(0.1, description="weight of the shallowest side head")

    @model_validator(mode="after")
    def _some_weight(self) -> Loss:
        if self.curated.weight == self.trusted.weight == self.noisy.weight == 0:
            raise ValueError(
                "curated.weight, trusted.weight and noisy.weight are all 0, so that nothing is learned; "
                "give one of them more"
            )
        return self
