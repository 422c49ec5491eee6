"""The losses."""

from __future__ import annotations

from pydantic import Field

from tagging.config.sections.fields import Section, Share, Weight


class Loss(Section):
    """BCE on curated and trusted clips, L_soft on noisy ones; each clip weighs by its source."""

    curated_weight: Weight = Field(0.5, description="weight of a curated clip")
    trusted_weight: Weight = Field(0.5, description="weight of a trusted noisy clip")
    noisy_weight: Weight = Field(0.5, description="weight of a noisy clip")
    noisy_beta: Share = Field(0.7, description="L_soft: share of the given label, the rest is the prediction")
    aux3_weight: Weight = Field(0.4, description="weight of the deepest side head; the main head has 1")
    aux2_weight: Weight = Field(0.2, description="weight of the middle side head")
    aux1_weight: Weight = Field(0.1, description="weight of the shallowest side head")
