"""What is drawn, the optimizer and its learning rate, the epoch loop, and prediction."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tagging.config.sections.fields import (
    Count,
    CountOrZero,
    OptionalCount,
    Positive,
    Probability,
    Section,
    Share,
    Weight,
)


class Init(Section):
    """Where the weights of a fold start from."""

    run: str = Field(
        "", description="RUN: a finished run; its fold of the same number gives the weights; empty: the seed"
    )


class Teacher(Section):
    """A finished run whose probabilities are mixed into the training targets."""

    run: str = Field(
        "", description="RUN: an ensemble, experiment, stacker or trial on the same clips and folds; empty: none"
    )
    curated: Share = Field(0.0, description="its share in the targets of curated clips, out of fold; leaks a little")
    noisy: Share = Field(0.0, description="its share in the targets of noisy and trusted clips, fold by fold")

    @property
    def off(self) -> bool:
        """Whether there is no teacher, or one without a share."""
        return not self.run or self.curated == self.noisy == 0

    @model_validator(mode="after")
    def _has_a_run(self) -> Teacher:
        if not self.run and (self.curated or self.noisy):
            share = f"curated is {self.curated:g}" if self.curated else f"noisy is {self.noisy:g}"
            raise ValueError(f"{share}, but no run is named; give teacher.run=RUN")
        return self


class Draws(Section):
    """How many clips a training epoch draws, with replacement."""

    batch_size: int = Field(128, ge=2, le=65536, description="clips in a step")
    draws_per_epoch: int = Field(32768, ge=2, le=100_000_000, description="clips in an epoch, whatever the data's size")

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return -(-self.draws_per_epoch // self.batch_size)

    @model_validator(mode="after")
    def _a_batch(self) -> Self:
        if self.draws_per_epoch < self.batch_size:
            raise ValueError(f"draws_per_epoch {self.draws_per_epoch} is less than batch_size {self.batch_size}")
        return self


class Sampling(Draws):
    """What a training epoch draws: each draw picks a source by probability, then one of its clips."""

    frames: int = Field(256, ge=16, le=65536, description="length of a crop, and of a tile in prediction")
    curated: Probability = Field(0.8, description="probability that a draw is a curated clip")
    noisy: Probability = Field(0.2, description="probability that a draw is a noisy clip")
    trusted: Probability = Field(0.0, description="probability that a draw is a trusted noisy clip")
    noisy_pool: Literal["all", "trusted"] = Field(
        "all",
        description="noisy draws are from all clips that labels.noisy_selection does not drop, or trusted ones alone",
    )

    @model_validator(mode="after")
    def _sums(self) -> Sampling:
        total = self.curated + self.noisy + self.trusted
        if abs(total - 1) > 1e-6:
            raise ValueError(f"curated + noisy + trusted is {total:g}; the three must add up to 1")
        return self


class Optimizer(Section):
    """Adam (Kingma and Ba 2015)."""

    lr: Positive = Field(9e-4, description="learning rate")
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="decay of the mean squared gradient")
    eps: Positive = Field(1e-8, description="added to the denominator")
    weight_decay: Weight = Field(0.0, description="L2 penalty")


class Plateau(Section):
    """The learning rate is cut when val_lwlrap no longer rises."""

    kind: Literal["plateau"] = "plateau"
    factor: float = Field(0.6, gt=0, lt=1, description="the learning rate is multiplied by this")
    patience: CountOrZero = Field(6, description="epochs without a rise; after one more the rate is reduced")
    threshold: Weight = Field(1e-4, description="smallest relative rise that counts")
    min_lr: Weight = Field(1e-8, description="no lower than this")


class Constant(Section):
    """The learning rate stays."""

    kind: Literal["constant"] = "constant"


class Cosine(Section):
    """The learning rate falls along a cosine, again and again (Loshchilov and Hutter 2017), a step an epoch."""

    kind: Literal["cosine"] = "cosine"
    first: Count = Field(10, description="epochs until the first restart")
    growth: Count = Field(2, description="each period is so many times as long as the one before")
    min_lr: Weight = Field(1e-5, description="at the end of a period")


class OneCycle(Section):
    """The learning rate rises to optimizer.lr and falls to almost nothing (Smith and Topin 2018), a step a batch."""

    kind: Literal["one_cycle"] = "one_cycle"
    rise: float = Field(0.3, gt=0, lt=1, description="share of all steps in which it rises")
    start_factor: float = Field(25, ge=1, allow_inf_nan=False, description="it begins at optimizer.lr over this")
    end_factor: float = Field(1e4, ge=1, allow_inf_nan=False, description="it ends at where it began over this")


class EarlyStopping(Section):
    """A fold ends when val_lwlrap has not risen for long."""

    patience: OptionalCount = Field(18, description="epochs without a rise that end the fold; null: never")


Scheduler = Annotated[Plateau | Constant | Cosine | OneCycle, Field(discriminator="kind")]


def check_schedule(schedule: Scheduler, lr: float) -> None:
    """Raise ValueError where a schedule cannot be followed from learning rate `lr`."""
    if isinstance(schedule, Cosine) and schedule.min_lr > lr:
        raise ValueError(
            f"scheduler.min_lr {schedule.min_lr:g} exceeds optimizer.lr {lr:g}; give a smaller scheduler.min_lr"
        )


class Epochs(Section):
    """The epoch loop."""

    epochs: Count = Field(700, description="at most this many")
    folds: tuple[CountOrZero, ...] = Field((), description="folds to run, as [0, 2]; []: all")


class Training(Epochs):
    """The epoch loop."""

    precision: Literal["float32", "bf16", "fp16"] = Field("bf16", description="of autocast")
    compile: bool = Field(False, description="torch.compile the network; on a CPU with float32 alone")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay a step of averaged weights; 0: none")


class Predict(Section):
    """What a fold's network predicts, and with which weights."""

    weights: Literal["best", "last", "ema"] = Field(
        "best", description="of the epoch with the best val_lwlrap, of the last epoch, or its average"
    )
    tile_step: int = Field(64, ge=1, le=65536, description="frames from one tile to the next")
    batch_size: int = Field(256, ge=1, le=65536, description="tiles in a batch")
    noisy: bool = Field(False, description="also predict the noisy clips, one file a fold")
