"""From sound to log-mel."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tagging.config.sections.fields import Section


class Features(Section):
    """The log-mel front end."""

    sample_rate: int = Field(44100, ge=4000, le=384000, description="Hz; other rates are resampled")
    n_fft: int = Field(2560, ge=64, le=65536, multiple_of=2, description="samples of an analysis window, even")
    hop: int = Field(690, ge=16, le=384000, description="samples from one frame to the next")
    n_mels: int = Field(128, ge=16, le=512, description="mel bands")
    fmin: float = Field(20, ge=0, description="Hz, lower edge of the lowest band")
    fmax: float = Field(22050, gt=0, description="Hz, upper edge of the highest band")
    min_seconds: float = Field(0.5, gt=0, le=10, description="shorter sound is padded with zeros to this")
    trim_db: float = Field(60, gt=0, description="silence at both ends this far below the loudest is cut")
    range_db: float = Field(80, gt=0, description="dB below a clip's maximum where its log-mel is floored")
    precision: Literal["float16", "float32"] = Field(
        "float16", description="of the stored log-mels; float16 adds at most 0.032 dB of error"
    )

    @model_validator(mode="after")
    def _edges(self) -> Features:
        if self.fmax > self.sample_rate / 2:
            half = self.sample_rate / 2
            raise ValueError(f"fmax {self.fmax:g} Hz lies above half the sample_rate, {half:g} Hz")
        if self.fmin >= self.fmax:
            raise ValueError(f"fmin {self.fmin:g} Hz must lie below fmax {self.fmax:g} Hz")
        return self
