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
from tagging.config.sections.fields import is_nothing, typed
from tagging.config.tree import merge, read_yaml
from tagging.contract import Tag
from tagging.errors import UserError
from tune.schema import Choice, Int, LogUniform, Range, Rest, Space, Uniform

Searched = Uniform | LogUniform | Int | Choice  # ranges of which values are drawn


def space_names() -> list[str]:
    """List the search spaces of tune/spaces/ by name, sorted."""
    return experiment_names(project.root() / "tune" / "spaces")


def load_space(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Space:
    """Load a search space by name or by the path of its YAML file.

    `overrides` are fields given on the command line, such as {"trials": 20, "resources": {"cpu": 2}}. Raises
    UserError with all problems at once, each with the place where it was written, its full path and the nearest
    valid name. `tune.check` checks its ranges against the experiment.
    """
    path = find(str(name), project.root() / "tune" / "spaces", "space")
    tree, origins = read_yaml(path)
    changes = dict(overrides or {})
    fields = Space.model_fields.items()
    defaults = to_jsonable_python({name: field.default for name, field in fields if not field.is_required()})
    # laid over the defaults, so that a section whose kind is not given has one
    tree = merge(merge(defaults, tree), changes)
    tree["name"] = path.stem if is_nothing(tree["name"]) else tree["name"]
    origins |= {key: f"--{key}" for key in changes}
    try:
        return Space.model_validate(tree).written_at(path, origins)
    except ValidationError as error:
        raise UserError(*problems_of(error, origins, path, Space)) from None


def searched(space: Space) -> dict[str, Searched]:
    """Return the range of each searched field; a field of kind `rest` is not searched."""
    return {path: bounds for path, bounds in space.space.items() if not isinstance(bounds, Rest)}


def middle(space: Space) -> dict[str, Any]:
    """Return the value in the middle of the range of each searched field, as Optuna has it."""

    def of(bounds: Searched) -> Any:
        if isinstance(bounds, Choice):
            return bounds.choices[len(bounds.choices) // 2]
        if isinstance(bounds, Int):
            return bounds.low + (bounds.high - bounds.low) // (2 * bounds.step) * bounds.step
        return math.sqrt(bounds.low * bounds.high) if bounds.kind == "loguniform" else (bounds.low + bounds.high) / 2

    return {path: of(bounds) for path, bounds in searched(space).items()}


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of each searched field."""
    return {path: _distribution(bounds) for path, bounds in searched(space).items()}


def _distribution(bounds: Searched) -> BaseDistribution:
    if isinstance(bounds, Choice):
        return CategoricalDistribution(bounds.choices)
    if isinstance(bounds, Int):
        return IntDistribution(bounds.low, bounds.high, log=bounds.log, step=bounds.step)
    return FloatDistribution(bounds.low, bounds.high, log=isinstance(bounds, LogUniform))


def overrides_of(space: Space, values: Mapping[str, Any], base: AnyRecipe | None = None) -> list[str]:
    """Return chosen values, as Optuna gives them, as overrides of an experiment: `PATH=VALUE`.

    `values` holds every field of `distributions`. A chosen section becomes its fields; fields of kind `rest` are
    computed, where needed from those of `base`, the space's experiment.
    """
    chosen = {path: as_option(bounds, values[path]) for path, bounds in searched(space).items()}
    known = chosen
    if len(chosen) < len(space.space):
        known = {**known_fields(space, base or load(space.experiment)), **chosen}
    texts = []
    for path, bounds in space.space.items():
        value = rest_of(bounds, known) if isinstance(bounds, Rest) else chosen[path]
        texts += [f"{leaf}={leaf_text(text)}" for leaf, text in leaves(path, value)]
    return texts


def experiment_of(space: Space, values: Mapping[str, Any], data: Path | None) -> AnyRecipe:
    """Return the experiment with these values; `data` replaces its data set by a folder. Errors as `load`."""
    return load(space.experiment, [*fixed(space), *overrides_of(space, values)], data)


def trial_experiment(space: Space, values: Mapping[str, Any], data: Path | None) -> AnyRecipe:
    """Return the experiment that a trial of these values trains, with its folds and threads; errors as `load`."""
    experiment = experiment_of(space, values, data)
    return experiment.changed("training.folds", space.folds).changed("threads", space.resources.cpu)


def some_trial(space: Space, data: Path | None) -> AnyRecipe:
    """Return the experiment of one possible trial: all trials read the same data set."""
    lowest = {
        path: bounds.choices[0] if isinstance(bounds, Choice) else bounds.low
        for path, bounds in searched(space).items()
    }
    return trial_experiment(space, lowest, data)


def value_tags(space: Space, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a trial's run that hold its values."""
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
    """Return every combination of values, the last field changing fastest; all ranges are countable."""
    ranges = searched(space)
    points = itertools.product(*(_countable(bounds) for bounds in ranges.values()))
    return [dict(zip(ranges, point, strict=True)) for point in points]


def grid_size(space: Space) -> int:
    """Return the number of combinations of a grid; all ranges are countable."""
    return math.prod(len(_countable(bounds)) for bounds in searched(space).values())


def trials_of(space: Space) -> int:
    """Return the number of trials of the whole sweep: for a grid at most its combinations."""
    return min(space.trials, grid_size(space)) if space.searcher.kind == "grid" else space.trials


def _countable(bounds: Searched) -> Sequence[Any]:
    if isinstance(bounds, Choice):
        return bounds.choices
    assert isinstance(bounds, Int)
    return range(bounds.low, bounds.high + 1, bounds.step)  # counted without being made


def digest(space: Space) -> str:
    """Return the sha256 of all that decides the values and scores of trials, but the fields of the experiment.

    Number of trials, resources, `keep`, names and notes are not in it; of the experiment only its name is.
    """
    named = {"experiment": Path(space.experiment).stem, "set": _deciding(space.set)}
    own = {"space", "folds", "objectives", "seed", "searcher", "scheduler"}
    return _sha256({**named, **space.model_dump(mode="json", include=own)})


def fields_digest(experiment: AnyRecipe) -> str:
    """Return the sha256 of an experiment's deciding fields."""
    return _sha256(_deciding(flatten(experiment)))


def _deciding(leaves: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in leaves.items() if path not in WHERE}


def _sha256(tree: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def as_option(bounds: Range, value: Any) -> Any:
    """Return a value as the space has it: Optuna keeps a section as JSON."""
    sections = isinstance(bounds, Choice) and isinstance(bounds.options[0], dict)
    return json.loads(value) if sections else value


def leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield path and value of each field of a section, or of a single field."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(f"{path}.{name}", below)
    else:
        yield path, value


def inside(path: str, section: str) -> bool:
    """Tell whether a path lies in a section."""
    return path.startswith(f"{section}.")


def fixed(space: Space) -> list[str]:
    """Return the overrides that all trials share."""
    return [f"{path}={value}" for path, value in space.set.items()]


def known_fields(space: Space, base: AnyRecipe) -> dict[str, Any]:
    """Return the fields of the experiment, with the values of `set` in place of its own."""
    return {**flatten(base), **{path: typed(value) for path, value in space.set.items()}}


def rest_of(bounds: Rest, known: Mapping[str, Any]) -> float:
    """Return what the fields of a `rest` leave to 1."""
    return round(1 - sum(known[path] for path in bounds.of), 12) + 0.0  # no -0.0
