"""The clips, their label lists and their folds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tagging.config.sections.fields import Count, CountOrZero, Line, Name, Section, Seed


class FolderData(Section):
    """A folder of the user's: the FSDKaggle2019 layout, or a table with the sound beside it."""

    kind: Literal["folder"] = "folder"
    folder: Name = Field("data/fsdkaggle2019", description="the data set; relative to the project's root")
    name: Line = Field("", description="name of the MLflow experiment; empty: the folder's name")
    skip_unreadable: bool = Field(False, description="leave undecodable clips out instead of stopping")


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
