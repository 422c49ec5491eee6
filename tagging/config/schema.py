"""The schemas of an experiment and of a stacker: every field with its type, range, default and a sentence.

`experiments/base.yaml` and `stacker.yaml` repeat the defaults for people to read; a test keeps them equal.
Scalars arrive as text, from YAML and from the command line alike, and are parsed by the field's type:
`9e-4` is a number where a number is wanted and `no` stays text where text is wanted.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tagging.config.sections.augment import Augment, Mixer
from tagging.config.sections.data import (
    ColumnFolds,
    Corrections,
    Demo,
    DemoData,
    Features,
    FolderData,
    Labels,
    RandomFolds,
    Report,
    StratifiedFolds,
)
from tagging.config.sections.fields import Line, Section, Seed
from tagging.config.sections.losses import Loss
from tagging.config.sections.models import AuxSkipAttentionModel, Model, TimmModel
from tagging.config.sections.stacking import FCNetModel, StackerModel, StackerOptimizer, StackerStopping, TileAugment
from tagging.config.sections.training import (
    Draws,
    EarlyStopping,
    Epochs,
    Init,
    Optimizer,
    Plateau,
    Predict,
    Sampling,
    Scheduler,
    Teacher,
    Training,
    check_schedule,
)


class Recipe(Section):
    """What every file of experiments/ begins with: its name, where it runs, and on which data."""

    name: Line = Field("", description="name of the run; empty: the file's name")
    notes: str = Field("", description="why this experiment; shown on the run's page")
    seed: Seed = Field(0, description="seed of training: initial weights, draws, dropout")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = Field(
        "auto", description="auto, cpu, cuda or cuda:N"
    )
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0: all cores")
    data: Annotated[FolderData | DemoData, Field(discriminator="kind")] = FolderData()
    demo: Demo = Demo()
    report: Report = Report()


class Experiment(Recipe):
    """One experiment: everything that decides its numbers, and where it runs."""

    labels: Labels = Labels()
    folds: Annotated[RandomFolds | StratifiedFolds | ColumnFolds, Field(discriminator="kind")] = RandomFolds()
    features: Features = Features()
    sampling: Sampling = Sampling()
    augment: Augment = Augment()
    mixer: Mixer = Mixer()
    model: Model = AuxSkipAttentionModel()
    init: Init = Init()
    teacher: Teacher = Teacher()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    scheduler: Scheduler = Plateau()
    early_stopping: EarlyStopping = EarlyStopping()
    training: Training = Training()
    predict: Predict = Predict()

    @model_validator(mode="after")
    def _large_enough(self) -> Experiment:
        for field, size in (("sampling.frames", self.sampling.frames), ("features.n_mels", self.features.n_mels)):
            if size < self.model.stride:
                raise ValueError(f"{field} is {size}; model.kind {self.model.kind} needs {self.model.stride} or more")
        return self

    @model_validator(mode="after")
    def _one_start(self) -> Experiment:
        if self.init.run and isinstance(self.model, TimmModel) and (self.model.weights or self.model.download):
            raise ValueError("init.run names the weights to start from; model.weights and model.download name others")
        return self

    @model_validator(mode="after")
    def _scheduled(self) -> Experiment:
        check_schedule(self.scheduler, self.optimizer.lr)
        return self

    @model_validator(mode="after")
    def _averaged(self) -> Experiment:
        if self.predict.weights == "ema" and self.training.ema_decay == 0:
            raise ValueError("predict.weights is ema, but training.ema_decay is 0; give a decay, as 0.999")
        if self.predict.tile_step > self.sampling.frames:
            raise ValueError(
                f"predict.tile_step {self.predict.tile_step} exceeds sampling.frames {self.sampling.frames}: "
                "tiles would leave sound out"
            )
        return self


class Stacker(Recipe):
    """One stacker: a second-level model that learns from the out-of-fold predictions of its base runs."""

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


# Fields that say where and under what name an experiment runs, not what it computes.
WHERE = frozenset(
    {"name", "notes", "device", "threads", "data.folder", "data.name", "data.kind", "report.clips", "training.folds"}
)
# what they stand for counts: clips, labels, a file's content
WHERE_SECTIONS = (
    *("demo.", "labels.", "model.weights", "model.file"),
    *(f"loss.{source}.file" for source in ("curated", "trusted", "noisy")),
)
