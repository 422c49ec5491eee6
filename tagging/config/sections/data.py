"""The clips, their label lists, their folds and their log-mels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tagging.config.sections.fields import Count, CountOrZero, Line, Name, Section, Seed


class FolderData(Section):
    """A folder of the user's: the FSDKaggle2019 layout, or a table with the sound beside it."""

    kind: Literal["folder"] = "folder"
    folder: Name = Field("data/fsdkaggle2019", description="the data set; relative to the project's root")
    name: Line = Field("", description="name of the MLflow experiment; empty: the folder's name")
    skip_unreadable: bool = Field(False, description="leave undecodable clips out instead of stopping")


class Report(Section):
    """The report that a finished run carries, `report.html`."""

    clips: int = Field(
        20, ge=0, le=200, description="with sound and spectrogram in each of its lists; 0: none leave the data's folder"
    )


class DemoData(Section):
    """Sound that is synthesised by the settings of the section `demo`."""

    kind: Literal["demo"] = "demo"
    name: Line = Field("demo", description="name of the MLflow experiment")
    skip_unreadable: bool = Field(False, description="leave undecodable clips out instead of stopping")


class Demo(Section):
    """How much sound `data.kind: demo` makes."""

    seed: Seed = Field(0, description="seed of the synthesis")
    curated: Count = Field(160, description="clips with right labels")
    noisy: CountOrZero = Field(80, description="clips of which some have a wrong label")
    test: CountOrZero = Field(40, description="clips without labels")


class Corrections(Section):
    """A label list, JSON: fname -> new labels or "remove"; relative to the data folder, or a path."""

    corrections: str = Field("", description="corrected labels of curated clips; empty: none")


class Labels(Corrections):
    """Label lists, JSON: fname -> new labels or "remove"; relative to the data folder, or a path."""

    noisy_selection: str = Field("", description="noisy clips to trust or to drop; empty: none")


class RandomFolds(Section):
    """scikit-learn's KFold, shuffled, over the rows of the table."""

    kind: Literal["random"] = "random"
    count: int = Field(5, ge=2, le=1000, description="number of folds")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(42, description="seed of the shuffle")
    group: str = Field("", description="column whose equal values stay in one fold; content: equal sound; empty: none")


class StratifiedFolds(Section):
    """Folds with equal shares of each label, for clips of several labels (Sechidis et al. 2011)."""

    kind: Literal["stratified"] = "stratified"
    count: int = Field(5, ge=2, le=1000, description="number of folds")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(42, description="seed of the shuffle")
    group: str = Field("", description="column whose equal values stay in one fold; content: equal sound; empty: none")


class ColumnFolds(Section):
    """The data set's own folds."""

    kind: Literal["column"] = "column"
    column: Name = Field("fold", description="column of the table; its values are sorted to 0..k-1")
    group: str = Field(
        "", description="column whose groups must not cross folds (checked); content: equal sound; empty: none"
    )


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
