"""How looks at a clip are varied and mixed."""

from __future__ import annotations

from pydantic import Field, model_validator

from tagging.config.sections.fields import Positive, Probability, Section, Share


class ResizedCrop(Section):
    """Random resized crop of the log-mel picture; its native ratio is 2 (256 frames by 128 bands)."""

    prob: Probability = Field(0.33, description="share of clips")
    scale_min: float = Field(0.8, gt=0, le=1, description="smallest area kept")
    scale_max: float = Field(1.0, gt=0, le=1, description="largest area kept")
    ratio_min: Positive = Field(1.7, description="smallest width over height")
    ratio_max: Positive = Field(2.3, description="largest width over height")

    @model_validator(mode="after")
    def _ordered(self) -> ResizedCrop:
        if self.scale_min > self.scale_max or self.ratio_min > self.ratio_max:
            raise ValueError("scale_min and ratio_min must not exceed scale_max and ratio_max")
        return self


class SpecAugment(Section):
    """Masks of bands and of frames (Park et al. 2019)."""

    prob: Probability = Field(0.5, description="share of clips")
    max_masks: int = Field(2, ge=1, le=16, description="1 to this many masks of each kind")
    freq_share: Share = Field(0.15, description="widest mask of bands, as a share of all")
    time_share: Share = Field(0.20, description="widest mask of frames, as a share of all")


class Augment(Section):
    """How one look at a clip is varied."""

    wrap_prob: Probability = Field(0.5, description="share of short clips repeated to fill, not padded")
    resized_crop: ResizedCrop = ResizedCrop()
    spec_augment: SpecAugment = SpecAugment()


class Mixer(Section):
    """Two clips of one source made into one."""

    prob: Probability = Field(0.8, description="share of draws that are mixed")
    sigmoid_share: Share = Field(0.6, description="of those, by SigmoidConcat; the rest by MixUp")
    sigmoid_min: int = Field(3, ge=1, le=100, description="gentlest slope of SigmoidConcat")
    sigmoid_max: int = Field(12, ge=1, le=100, description="steepest slope of SigmoidConcat")
    mixup_max: float = Field(0.5, ge=0, le=1, description="largest weight of MixUp's second clip")

    @model_validator(mode="after")
    def _ordered(self) -> Mixer:
        if self.sigmoid_min > self.sigmoid_max:
            raise ValueError(f"sigmoid_min {self.sigmoid_min} exceeds sigmoid_max {self.sigmoid_max}")
        return self
