"""Search spaces: from a YAML file to a checked space, and from chosen values to an experiment."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from tagging import project
from tagging.config import AnyRecipe, experiment_names, flatten, load
from tagging.config.load import find, leaf_text
from tagging.config.problems import problems_of
from tagging.config.schema import WHERE
from tagging.config.sections.fields import is_nothing
from tagging.config.tree import Tree, merge, read_yaml
from tagging.contract import Tag
from tagging.errors import UserError
from tune.schema import Choice, Int, LogUniform, Range, Rest, Space, Uniform, typed


def spaces() -> Path:
    """Return the folder of the spaces' files."""
    return project.root() / "tune" / "spaces"


def space_names(folder: Path | None = None) -> list[str]:
    """List the search spaces of a folder, by default the project's, by name, sorted."""
    return experiment_names(folder or spaces())


def load_space(name: str | Path, overrides: Mapping[str, Any] | None = None, folder: Path | None = None) -> Space:
    """Load a search space by name or by the path of its YAML file.

    `overrides` are fields given on the command line, such as {"trials": 20, "resources": {"cpu": 2}}. Raises
    UserError with all problems at once, each with the place where it was written, its full path and the nearest
    valid name. Whether its ranges suit the experiment is for `tune.check`.
    """
    path = find(str(name), folder or spaces(), "space")
    tree, origins = read_yaml(path)
    changes = dict(overrides or {})
    # laid over the defaults, so that a section whose kind is not given has one
    tree = merge(merge(_defaults(), tree), changes)
    tree["name"] = path.stem if is_nothing(tree["name"]) else tree["name"]
    origins |= {key: f"--{key}" for key in changes}
    try:
        return Space.model_validate(tree).written_at(path, origins)
    except ValidationError as error:
        raise UserError(*problems_of(error, origins, path, Space)) from None


def searched(space: Space) -> dict[str, Uniform | LogUniform | Int | Choice]:
    """Return the range of each searched field; those of kind `rest` have none of their own."""
    return {path: bounds for path, bounds in space.space.items() if not isinstance(bounds, Rest)}


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of each searched field; those of kind `rest` have none."""
    return {path: _distribution(bounds) for path, bounds in searched(space).items()}


def overrides_of(space: Space, values: Mapping[str, Any]) -> list[str]:
    """Turn chosen values, as Optuna gives them, into overrides of an experiment: `PATH=VALUE`.

    Fields of kind `rest` are filled in, a chosen section is spread into its fields. `values` holds every field of
    `distributions`.
    """
    rests = any(isinstance(bounds, Rest) for bounds in space.space.values())
    return spread(space, values, known_fields(space, load(space.experiment)) if rests else {})


def spread(space: Space, values: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Return chosen values as overrides, where `known` are the fields of `known_fields`."""
    chosen = {path: as_option(bounds, values[path]) for path, bounds in searched(space).items()}
    known = {**known, **chosen}
    texts = []
    for path, bounds in space.space.items():
        value = rest_of(bounds, known) if isinstance(bounds, Rest) else chosen[path]
        texts += [f"{leaf}={leaf_text(text)}" for leaf, text in leaves(path, value)]
    return texts


def experiment_of(space: Space, values: Mapping[str, Any], data: Path | None) -> AnyRecipe:
    """Return the experiment of a trial; `data` replaces its data set by a folder. Errors as `tagging.config.load`."""
    return load(space.experiment, [*fixed(space), *overrides_of(space, values)], data)


def trial_experiment(space: Space, values: Mapping[str, Any], data: Path | None) -> AnyRecipe:
    """Return the experiment that a trial of these values trains; errors as `tagging.config.load`."""
    experiment = experiment_of(space, values, data)
    training = experiment.training.model_copy(update={"folds": space.folds})
    return experiment.model_copy(update={"training": training, "threads": space.resources.cpu})


def some_trial(space: Space, data: Path | None) -> AnyRecipe:
    """Return what a trial could train: the data set that it reads is that of all trials."""
    values = {
        path: distribution.choices[0] if hasattr(distribution, "choices") else distribution.low  # type: ignore[attr-defined]
        for path, distribution in distributions(space).items()
    }
    return trial_experiment(space, values, data)


def value_tags(space: Space, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that say what a trial of these values is."""
    fixed = [f"{path}={text}" for path, text in space.set.items()]
    chosen = overrides_of(space, values)
    short = [f"{path}={_short(text)}" for path, _, text in (override.partition("=") for override in chosen)]
    return {
        Tag.TRIAL_VALUES: json.dumps(dict(values)),
        Tag.TRIAL_OVERRIDES: " ".join([*fixed, *chosen]),
        Tag.DIFFERS: " ".join([*short, *fixed]),
    }


def _short(text: str) -> str:
    """Return a number with the digits that people read in a table; any other text as it is."""
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def grid_points(space: Space) -> list[dict[str, Any]]:
    """Return every combination of values, the last field changing fastest.

    Raises UserError, all problems at once, for ranges that are not countable.
    """
    problems = uncountable(space)
    if problems:
        raise UserError(*problems)
    ranges = searched(space)
    points = itertools.product(*(_countable(bounds) for bounds in ranges.values()))
    return [dict(zip(ranges, point, strict=True)) for point in points]


def grid_size(space: Space) -> int:
    """Return how many combinations a grid has; its ranges are countable."""
    return math.prod(len(_countable(bounds)) for bounds in searched(space).values())


def trials_of(space: Space) -> int:
    """Return how many trials there are to be in all: of a grid no more than it has combinations."""
    return min(space.trials, grid_size(space)) if space.searcher.kind == "grid" else space.trials


def digest(space: Space) -> str:
    """Return the sha256 of what decides the trials: not their number, resources, `keep`, names and notes.

    Of the experiment it knows the name, whatever folder a relative path of it was meant from; what it says is
    `experiment_digest`'s.
    """
    named = {"experiment": Path(space.experiment).stem, "set": _deciding(space.set)}
    own = {"space", "folds", "objectives", "seed", "searcher", "scheduler"}
    return _sha256({**named, **space.model_dump(mode="json", include=own)})


def experiment_digest(space: Space) -> str:
    """Return the sha256 of what decides the trials of the experiment, before the space sets any of its fields."""
    return _sha256(_deciding(flatten(load(space.experiment))))


def _deciding(leaves: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in leaves.items() if path not in WHERE}


def _sha256(tree: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def _defaults() -> Tree:
    fields = Space.model_fields.items()
    texts: Tree = to_jsonable_python({name: field.default for name, field in fields if not field.is_required()})
    return texts


def _distribution(bounds: Uniform | LogUniform | Int | Choice) -> BaseDistribution:
    if isinstance(bounds, Choice):
        return CategoricalDistribution(bounds.told)
    if isinstance(bounds, Int):
        return IntDistribution(bounds.low, bounds.high, log=bounds.log, step=bounds.step)
    return FloatDistribution(bounds.low, bounds.high, log=isinstance(bounds, LogUniform))


def as_option(bounds: Range, value: Any) -> Any:
    """Return a value as the space has it: of a choice of sections Optuna keeps the JSON."""
    sections = isinstance(bounds, Choice) and isinstance(bounds.options[0], dict)
    return json.loads(value) if sections else value


def leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each field of a section, or those of a single field."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(f"{path}.{name}", below)
    else:
        yield path, value


def fixed(space: Space) -> list[str]:
    """Return the overrides that all trials have."""
    return [f"{path}={value}" for path, value in space.set.items()]


def known_fields(space: Space, base: AnyRecipe) -> dict[str, Any]:
    """Return what `rest` counts with beside chosen values: the fields of the experiment, as `set` has them."""
    return {**flatten(base), **{path: typed(value) for path, value in space.set.items()}}


def rest_of(bounds: Rest, known: Mapping[str, Any]) -> float:
    """Return what the fields that it names leave to 1."""
    return round(1 - sum(known[path] for path in bounds.of), 12) + 0.0  # no -0.0


def _countable(bounds: Uniform | LogUniform | Int | Choice) -> Sequence[Any]:
    if isinstance(bounds, Choice):
        return bounds.told
    assert isinstance(bounds, Int)
    return range(bounds.low, bounds.high + 1, bounds.step)  # counted without being made


def uncountable(space: Space) -> list[str]:
    """Say which ranges a grid cannot take."""
    return [
        f"{space.where(f'space.{path}')}: space.{path} is of kind {bounds.kind}; "
        "a grid takes ranges of kind choice and int, give its values as options"
        for path, bounds in space.space.items()
        if isinstance(bounds, Uniform | LogUniform)
    ]
