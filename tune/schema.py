"""The schema of a search space: ranges of fields, the searcher, the scheduler, the budget and resources."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from tagging.config.problems import origin_of
from tagging.config.sections.fields import Count, CountOrZero, Name, Probability, Section, typed
from tagging.config.tree import Origins, short

WIDEST = 10**12  # of a range of whole numbers, either way
Number = Annotated[float, Field(allow_inf_nan=False)]


class Bounds(Section):
    """The ends that all ranges of numbers have."""

    kind: str
    low: Number = Field(description="the lowest value")
    high: Number = Field(description="the highest value")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be less than high {self.high:g}")
        return self


class Uniform(Bounds):
    """Any number between two."""

    kind: Literal["uniform"] = "uniform"


class LogUniform(Bounds):
    """Any number between two, each order of magnitude as likely as another."""

    kind: Literal["loguniform"] = "loguniform"
    low: Number = Field(gt=0, description="the lowest value")


class Int(Bounds):
    """Any whole number from one to another, in steps."""

    kind: Literal["int"] = "int"
    low: int = Field(ge=-WIDEST, le=WIDEST, description="the lowest value")
    high: int = Field(ge=-WIDEST, le=WIDEST, description="the highest value")
    step: Count = Field(1, description="from one value to the next")
    log: bool = Field(False, description="each order of magnitude is as likely as another")

    @model_validator(mode="after")
    def _reached(self) -> Self:
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError(f"log wants a low of 1 or more and a step of 1, not {self.low} and {self.step}")
        beyond = (self.high - self.low) % self.step
        if beyond:
            below = self.high - beyond
            near = f"{below} or {below + self.step}" if below > self.low else str(below + self.step)
            raise ValueError(f"steps of {self.step} from {self.low} do not end at {self.high}, but at {near}")
        return self


class Choice(Section):
    """One of some values, or of some whole sections."""

    kind: Literal["choice"] = "choice"
    options: tuple[Any, ...] = Field(min_length=2, description="values, or sections as {kind: cosine, first: 6}")

    @field_validator("options")
    @classmethod
    def _typed(cls, options: tuple[Any, ...]) -> tuple[Any, ...]:
        options = tuple(typed(option) for option in options)
        if any(isinstance(option, list) for option in options):
            raise ValueError("an option is a value or a section, not a list")
        if len({isinstance(option, dict) for option in options}) > 1:
            raise ValueError("the options are all values or all sections, not some of each")
        for place, option in enumerate(options):
            if option in options[:place]:
                raise ValueError(f"{json.dumps(option)} is given twice")
        return options

    @property
    def choices(self) -> tuple[str | int | float | bool | None, ...]:
        """The options as Optuna keeps them: sections as JSON."""
        return tuple(json.dumps(option) if isinstance(option, dict) else option for option in self.options)


class Rest(Section):
    """What other fields leave to 1; not searched itself."""

    kind: Literal["rest"] = "rest"
    of: tuple[str, ...] = Field(min_length=1, description="paths of the other fields, searched or not")


Range = Annotated[Uniform | LogUniform | Int | Choice | Rest, Field(discriminator="kind")]


class Searcher(Section):
    """A searcher's settings; its sampler is in `tune.searcher.SAMPLERS`."""

    kind: str
    learns: ClassVar[bool] = False  # from the scores of earlier trials and of other runs


class Random(Searcher):
    """Values are drawn from the ranges, whatever the scores of other trials."""

    kind: Literal["random"] = "random"


class Grid(Searcher):
    """Every combination once; the ranges are of kind choice or int."""

    kind: Literal["grid"] = "grid"


class Tpe(Searcher):
    """Optuna's Tree-structured Parzen Estimator (Bergstra et al. 2011)."""

    kind: Literal["tpe"] = "tpe"
    learns: ClassVar[bool] = True
    startup: Count = Field(10, description="trials that are drawn at random before it learns")


class NoScheduler(Section):
    """Every trial runs to its end."""

    kind: Literal["none"] = "none"


class Stopping(Section):
    """Settings of a scheduler that stops trials; it is in `tune.stopping.SCHEDULERS`."""

    kind: str
    grace: Count = Field(5, description="epochs before a trial may be stopped")


class Asha(Stopping):
    """Asynchronous successive halving (Li et al. 2020): at each rung the worse trials stop."""

    kind: Literal["asha"] = "asha"
    reduction: int = Field(
        3, ge=2, le=1000, description="one trial in so many continues at a rung; factor from one rung to the next"
    )


class Median(Stopping):
    """A trial stops where it is worse than the median of the others (Golovin et al. 2017)."""

    kind: Literal["median"] = "median"


class Pbt(Section):
    """Population based training (Jaderberg et al. 2017): the worst continue with weights and values of the best."""

    kind: Literal["pbt"] = "pbt"
    interval: Count = Field(5, description="epochs from one exchange to the next")
    share: float = Field(0.25, gt=0, le=0.5, description="share of the trials that take over weights, and of donors")
    resample: Probability = Field(0.25, description="probability that a value is drawn at random, not moved by a fifth")


class Resources(Section):
    """CPU cores and GPUs of a trial, and how many trials run at once."""

    cpu: Count = Field(1, description="CPU cores of a trial, and its threads")
    gpu: Annotated[float, Field(ge=0, le=1024, allow_inf_nan=False)] | Literal["auto"] = Field(
        0, description="GPUs of a trial; 0.25: four share one; auto: as few as the first trial shows to be enough"
    )
    at_once: CountOrZero = Field(0, description="trials at a time; 0: as many as fit")

    @field_validator("gpu", mode="wrap")
    @classmethod
    def _number_or_auto(cls, gpu: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(gpu)
        except ValidationError:  # one message in place of one for each type of the union
            raise ValueError(f"it is {short(repr(gpu))}; it must be a number, 0 to 1024, or auto") from None

    @model_validator(mode="after")
    def _whole_above_one(self) -> Self:
        if self.gpu != "auto" and self.gpu > 1 and self.gpu % 1:
            raise ValueError(f"gpu is {self.gpu:g}; a trial takes a share of one GPU or a whole number of them")
        return self


Objective = Literal["lwlrap", "parameters", "seconds"]


class Space(Section):
    """A search: the fields of an experiment with their ranges, searcher, scheduler, budget and resources."""

    name: str = Field("", description="of the search; empty: the file's name")
    experiment: Name = Field(description="name of a file in experiments/, or the path of a YAML file, made absolute")
    notes: str = Field("", description="why this space, and where its ranges are from")
    space: dict[str, Range] = Field(min_length=1, description="path of a field -> its range")
    set: dict[str, str] = Field({}, description="path of a field -> a value that all trials have")
    searcher: Annotated[Random | Grid | Tpe, Field(discriminator="kind")] = Tpe()
    scheduler: Annotated[NoScheduler | Asha | Median | Pbt, Field(discriminator="kind")] = NoScheduler()
    objectives: tuple[Objective, ...] = Field(("lwlrap",), min_length=1, description="more than one: a Pareto front")
    trials: Count = Field(description="at most this many")
    folds: tuple[CountOrZero, ...] = Field((), description="folds of each trial, as [0]; []: all")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of the searcher")
    keep: Count = Field(3, description="checkpoints of so many best trials are kept")
    resources: Resources = Resources()

    _origins: Origins = PrivateAttr(default_factory=dict)
    _file: Path = PrivateAttr(default=Path())

    @field_validator("experiment")
    @classmethod
    def _from_anywhere(cls, experiment: str) -> str:
        # absolute, since each of Ray's trials works in a folder of its own
        return str(Path(experiment).absolute()) if experiment.endswith((".yaml", ".yml")) else experiment

    @model_validator(mode="after")
    def _once(self) -> Self:
        for field, given in (("objectives", self.objectives), ("folds", self.folds)):
            if len({*given}) < len(given):
                raise ValueError(f"{field} names one of {list(given)} twice")
        return self

    @model_validator(mode="after")
    def _several_objectives(self) -> Self:
        if "lwlrap" not in self.objectives:
            raise ValueError(f"objectives is {list(self.objectives)}; lwlrap must be among them")
        several = f"objectives is {list(self.objectives)}; more than one"
        if len(self.objectives) > 1 and self.searcher.kind == "grid":
            raise ValueError(f"{several} wants searcher.kind random or tpe, not grid")
        if len(self.objectives) > 1 and self.scheduler.kind != "none":
            raise ValueError(f"{several} wants scheduler.kind none, not {self.scheduler.kind}")
        return self

    @model_validator(mode="after")
    def _a_population(self) -> Self:
        if self.scheduler.kind != "pbt":
            return self
        wants = "scheduler.kind pbt wants"
        if len(self.folds) != 1:
            given = list(self.folds) if self.folds else "all of them"
            raise ValueError(
                f"{wants} one fold, as folds: [0], not {given}: weights pass from trial to trial in a fold"
            )
        if self.searcher.kind != "random":
            raise ValueError(f"{wants} searcher.kind random, not {self.searcher.kind}: it moves the values itself")
        if self.trials < 2:
            raise ValueError(f"{wants} 2 trials or more, not {self.trials}")
        if self.resources.gpu == "auto":
            raise ValueError(f"{wants} a number for resources.gpu, not auto: no trial ends before the others")
        return self

    def written_at(self, file: Path, origins: Origins) -> Self:
        """Keep the file and the lines of its fields for messages; returns the space itself."""
        self._file, self._origins = file.absolute(), origins
        return self

    @property
    def file(self) -> Path:
        """The file it was read from."""
        return self._file

    def where(self, path: str) -> str:
        """Return file and line of a field of the space, or of the section around it."""
        return origin_of(path, self._origins, Path(self.name))


Report = dict[str, Any]  # of an epoch of a trial, as Ray passes it on


@dataclass(frozen=True)
class SweepPlan:
    """The part of a sweep that each of its trials needs, on whatever node of a cluster it runs."""

    sweep_id: str
    sweep_name: str
    space: Space
    data: Path | None
    uri: str
