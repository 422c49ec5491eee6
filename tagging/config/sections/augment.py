"""How looks at a clip are varied and mixed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tagging.config.sections.fields import ClassOfFile, Count, Positive, Probability, Section, Share


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


class TimeShift(Section):
    """The view is rolled along time, its end comes round to its beginning."""

    prob: Probability = Field(0.0, description="share of clips")
    max_share: Share = Field(0.5, description="furthest either way, as a share of the view's frames")


class PitchShift(Section):
    """The view is moved along its mel axis."""

    prob: Probability = Field(0.0, description="share of clips")
    max_bands: int = Field(4, ge=1, le=15, description="furthest up or down, in mel bands")


class Filter(Section):
    """FilterAugment (Nam, Kim and Park 2022): bands of frequency are made louder or softer."""

    prob: Probability = Field(0.0, description="share of clips")
    shape: Literal["linear", "step"] = Field(
        "linear", description="of the gain: lines from edge to edge, or a number a band"
    )
    min_bands: int = Field(3, ge=1, le=16, description="fewest bands of a filter")
    max_bands: int = Field(5, ge=1, le=16, description="most bands of a filter")
    min_width: Count = Field(6, description="narrowest band of a filter, in mel bands")
    db: float = Field(6.0, ge=0, le=60, description="gains are uniform within this either way, in dB")

    @model_validator(mode="after")
    def _ordered(self) -> Filter:
        if self.min_bands > self.max_bands:
            raise ValueError(f"min_bands {self.min_bands} exceeds max_bands {self.max_bands}")
        return self


class Noise(Section):
    """Gaussian noise on the log-mel picture."""

    prob: Probability = Field(0.0, description="share of clips")
    max_db: float = Field(2.0, ge=0, le=60, description="standard deviation is uniform up to this, in dB")


class UserAugmentation(ClassOfFile):
    """An augmentation of the user's own: a class in a Python file."""


class Augment(Section):
    """How one look at a clip is varied, in this order."""

    wrap_prob: Probability = Field(0.5, description="share of short clips repeated to fill, not padded")
    time_shift: TimeShift = TimeShift()
    pitch_shift: PitchShift = PitchShift()
    resized_crop: ResizedCrop = ResizedCrop()
    filter: Filter = Filter()
    noise: Noise = Noise()
    spec_augment: SpecAugment = SpecAugment()
    python: tuple[UserAugmentation, ...] = Field(
        (), description="augmentations of the user's own, each {file, class, arguments}"
    )


class Mixer(Section):
    """Two clips of one source made into one."""

    prob: Probability = Field(0.8, description="share of draws that are mixed")
    sigmoid_share: Share = Field(0.6, description="of those, by SigmoidConcat; the rest by MixUp")
    sigmoid_min: int = Field(3, ge=1, le=100, description="gentlest slope of SigmoidConcat")
    sigmoid_max: int = Field(12, ge=1, le=100, description="steepest slope of SigmoidConcat")
    mixup_max: float = Field(0.5, ge=0, le=1, description="largest weight of MixUp's second clip")
    labels: Literal["mean", "union"] = Field("mean", description="of MixUp: weighted like the clips, or all in full")

    @model_validator(mode="after")
    def _ordered(self) -> Mixer:
        if self.sigmoid_min > self.sigmoid_max:
            raise ValueError(f"sigmoid_min {self.sigmoid_min} exceeds sigmoid_max {self.sigmoid_max}")
        return self
