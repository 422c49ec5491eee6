"""Search spaces: from a YAML file to a checked space, and from chosen values to an experiment."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from tagging.config import Experiment, experiment_names, flatten, load
from tagging.config.load import EXPERIMENTS, find, leaf_text, override, problems_of
from tagging.config.schema import WHERE
from tagging.config.tree import Tree, merge, read_yaml
from tagging.errors import UserError
from tune.schema import Choice, Int, LogUniform, Range, Rest, Space, Uniform, typed

SPACES = Path(__file__).resolve().parent / "spaces"

_PATH = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
_OF_FIELD = re.compile(r"([\w.]+) is ")
_OF_OVERRIDE = re.compile(r"--set ([\w.]+): (.*)", re.DOTALL)


def space_names(folder: Path = SPACES) -> list[str]:
    """List the search spaces of a folder by name, sorted."""
    return experiment_names(folder)


def load_space(name: str | Path, overrides: Mapping[str, Any] | None = None, folder: Path = SPACES) -> Space:
    """Load a search space by name or by the path of its YAML file.

    `overrides` are fields given on the command line, such as {"trials": 20, "resources": {"cpu": 2}}. Raises
    UserError with all problems at once, each with the place where it was written, its full path and the nearest
    valid name. Whether its ranges suit the experiment is for `check_space`.
    """
    path = find(str(name), folder, "space")
    tree, origins = read_yaml(path)
    changes = dict(overrides or {})
    # laid over the defaults, so that a section whose kind is not given has one
    tree = merge(merge(_defaults(), tree), changes)
    tree["name"] = tree["name"] or path.stem
    origins |= {key: f"--{key}" for key in changes}
    try:
        return Space.model_validate(tree).written_at(origins)
    except ValidationError as error:
        raise UserError(*problems_of(error, origins, path, Space)) from None


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of each searched field; those of kind `rest` have none."""
    return {path: _distribution(bounds) for path, bounds in _searched(space).items()}


def overrides_of(space: Space, values: Mapping[str, Any]) -> list[str]:
    """Turn chosen values, as Optuna gives them, into overrides of an experiment: `PATH=VALUE`.

    Fields of kind `rest` are filled in, a chosen section is spread into its fields. `values` holds every field of
    `distributions`.
    """
    rests = any(isinstance(bounds, Rest) for bounds in space.space.values())
    return _spread(space, values, _known(space, load(space.experiment)) if rests else {})


def _spread(space: Space, values: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    chosen = {path: _as_option(bounds, values[path]) for path, bounds in _searched(space).items()}
    known = {**known, **chosen}
    texts = []
    for path, bounds in space.space.items():
        value = _rest(bounds, known) if isinstance(bounds, Rest) else chosen[path]
        texts += [f"{leaf}={leaf_text(text)}" for leaf, text in _leaves(path, value)]
    return texts


def experiment_of(space: Space, values: Mapping[str, Any], data: Path | None) -> Experiment:
    """Return the experiment of a trial; `data` replaces its data set by a folder. Errors as `tagging.config.load`."""
    return load(space.experiment, [*_fixed(space), *overrides_of(space, values)], data)


def grid_points(space: Space) -> list[dict[str, Any]]:
    """Return every combination of values, the last field changing fastest.

    Raises UserError, all problems at once, for ranges that are not countable.
    """
    problems = _uncountable(space)
    if problems:
        raise UserError(*problems)
    searched = _searched(space)
    points = itertools.product(*(_countable(bounds) for bounds in searched.values()))
    return [dict(zip(searched, point, strict=True)) for point in points]


def digest(space: Space) -> str:
    """Return the sha256 of what decides the trials: not their number, resources, `keep`, names and notes."""
    fields = (flatten(load(space.experiment)), space.set)
    decides = {
        "experiment": [{path: value for path, value in leaves.items() if path not in WHERE} for leaves in fields],
        **space.model_dump(mode="json", include={"space", "folds", "objectives", "seed", "searcher", "scheduler"}),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def check_space(space: Space, data: Path | None) -> None:
    """Check every path and both ends of every range against the schema of an experiment, before anything starts.

    First each field by itself, at its ends. Then all together: every range at its middle, each at its ends with the
    others at their middle, and each two at their ends, since some fields limit each other. Raises UserError with all
    problems at once.
    """
    base = _base(space, data)
    problems = [*_misplaced(space), *_wrong_set(space, base), *_absent_folds(space, base)]
    if space.searcher.kind == "grid":
        problems += _uncountable(space)
    problems += [problem for path in space.space if _PATH.fullmatch(path) for problem in _field(space, path, base)]
    problems = problems or _together(space, base)
    if problems:
        raise UserError(*problems)


def _defaults() -> Tree:
    fields = Space.model_fields.items()
    texts: Tree = to_jsonable_python({name: field.default for name, field in fields if not field.is_required()})
    return texts


def _searched(space: Space) -> dict[str, Uniform | LogUniform | Int | Choice]:
    return {path: bounds for path, bounds in space.space.items() if not isinstance(bounds, Rest)}


def _distribution(bounds: Uniform | LogUniform | Int | Choice) -> BaseDistribution:
    if isinstance(bounds, Choice):
        return CategoricalDistribution(bounds.told)
    if isinstance(bounds, Int):
        return IntDistribution(bounds.low, bounds.high, log=bounds.log, step=bounds.step)
    return FloatDistribution(bounds.low, bounds.high, log=isinstance(bounds, LogUniform))


def _as_option(bounds: Range, value: Any) -> Any:
    sections = isinstance(bounds, Choice) and isinstance(bounds.options[0], dict)
    return json.loads(value) if sections else value


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(f"{path}.{name}", below)
    else:
        yield path, value


def _fixed(space: Space) -> list[str]:
    return [f"{path}={value}" for path, value in space.set.items()]


def _known(space: Space, base: Experiment) -> dict[str, Any]:
    """Return what `rest` counts with beside chosen values: the fields of the experiment, as `set` has them."""
    return {**flatten(base), **{path: typed(value) for path, value in space.set.items()}}


def _rest(bounds: Rest, known: Mapping[str, Any]) -> float:
    return round(1 - sum(known[path] for path in bounds.of), 12) + 0.0  # no -0.0


def _countable(bounds: Uniform | LogUniform | Int | Choice) -> list[Any]:
    if isinstance(bounds, Choice):
        return list(bounds.told)
    assert isinstance(bounds, Int)
    return list(range(bounds.low, bounds.high + 1, bounds.step))


def _uncountable(space: Space) -> list[str]:
    return [
        f"{space.where(f'space.{path}')}: space.{path} is of kind {bounds.kind}; "
        "a grid takes ranges of kind choice and int, give its values as options"
        for path, bounds in space.space.items()
        if isinstance(bounds, Uniform | LogUniform)
    ]


def _base(space: Space, data: Path | None) -> Experiment:
    try:
        find(space.experiment, EXPERIMENTS)
    except UserError as error:
        raise UserError(f"{space.where('experiment')}: experiment: {error}") from None
    return load(space.experiment, data=data)


def _wrong_set(space: Space, base: Experiment) -> list[str]:
    """Say what is wrong with the fixed fields themselves; whether they go together may be up to those searched."""
    problems = [
        f"{space.where(f'set.{path}')}: set.{path}: not the path of a field, such as optimizer.lr"
        for path in space.set
        if not _PATH.fullmatch(path)
    ]
    if problems:
        return problems
    try:
        override(base, _fixed(space))
    except UserError as error:
        matches = (_OF_OVERRIDE.fullmatch(problem) for problem in error.problems)
        return [
            f"{space.where(f'set.{match[1]}')}: set: {match[2]}" for match in matches if match and _field_of(match[2])
        ]
    return []


def _misplaced(space: Space) -> list[str]:
    """Say which paths cannot be searched as they stand, whatever their ranges."""
    problems = []
    for path in space.space:
        where = f"{space.where(f'space.{path}')}: space.{path}"
        if not _PATH.fullmatch(path):
            problems.append(f"{where}: not the path of a field, such as optimizer.lr")
        if path in WHERE or path.split(".")[0] in ("data", "demo"):
            problems.append(f"{where}: {path} does not decide what an experiment computes; it cannot be searched")
        problems += [
            f"{where} lies in {around}, which is searched as a whole" for around in space.space if _inside(path, around)
        ]
        problems += [
            f"{space.where(f'set.{other}')}: set.{other}: {path} is searched; leave one of the two out"
            for other in space.set
            if other == path or _inside(other, path) or _inside(path, other)
        ]
    return problems


def _inside(path: str, around: str) -> bool:
    return path.startswith(f"{around}.")


def _absent_folds(space: Space, base: Experiment) -> list[str]:
    try:
        folds = override(base, [text for text in _fixed(space) if text.startswith("folds.")]).folds
    except UserError:  # said elsewhere
        return []
    if folds.kind == "column" or max(space.folds, default=0) < folds.count:
        return []
    there = f"{space.experiment} has folds 0 to {folds.count - 1}"
    return [f"{space.where('folds')}: folds is {list(space.folds)}; {there}"]


def _field(space: Space, path: str, base: Experiment) -> list[str]:
    """Check a field by itself at the ends of its range; what is wrong at all of them is said once."""
    bounds = space.space[path]
    where = space.where(f"space.{path}")
    if isinstance(bounds, Rest):
        wrong = _wrong_rest(space, bounds, base)
        if wrong:
            return [f"{where}: space.{path}: {wrong}"]
    found = {label: _own(space, path, value, base) for label, value in _ends(space, path, base).items()}
    everywhere = set.intersection(*map(set, found.values()))
    problems = [f"{where}: {text}" for text in sorted(everywhere)]
    for label, texts in found.items():
        place = space.where(f"space.{path}.{label}") if isinstance(bounds, Uniform | LogUniform | Int) else where
        problems += [f"{place}: {label} of {path}: {text}" for text in texts if text not in everywhere]
    return problems


def _ends(space: Space, path: str, base: Experiment) -> dict[str, Any]:
    bounds = space.space[path]
    if isinstance(bounds, Rest):
        low, high = _rest_ends(space, bounds, base)
        return {"low": low, "high": high}
    return {label: _as_option(bounds, told) for label, told in _told_ends(bounds).items()}


def _own(space: Space, path: str, value: Any, base: Experiment) -> list[str]:
    """Return what is wrong with a field's value itself, not with how it goes with others."""
    try:
        override(base, [*_fixed(space), *(f"{leaf}={leaf_text(text)}" for leaf, text in _leaves(path, value))])
    except UserError as error:
        texts = [_text(problem, base) for problem in error.problems]
        return [text for text in texts if _related(_field_of(text), path)]
    return []


def _field_of(text: str) -> str:
    """Return the field that a problem is about; empty for one about several fields."""
    match = _OF_FIELD.match(text)
    return match[1] if match else ""


def _related(field: str, path: str) -> bool:
    return field in (path, f"{path}.kind") or _inside(field, path) or _inside(path, field)


def _text(problem: str, base: Experiment) -> str:
    match = _OF_OVERRIDE.fullmatch(problem)
    return match[2] if match else problem.removeprefix(f"{base.name}: ")


def _wrong_rest(space: Space, rest: Rest, base: Experiment) -> str:
    known = _known(space, base)
    for path in rest.of:
        bounds = space.space.get(path)
        if isinstance(bounds, Rest):
            return f"of names {path}, which is a rest itself"
        values = bounds.options if isinstance(bounds, Choice) else [known.get(path)] if bounds is None else []
        if not all(isinstance(value, int | float) for value in values):
            return f"of names {path}, which is no number"
    low = _rest_ends(space, rest, base)[0]
    return f"1 - {' - '.join(rest.of)} falls to {low:g} where they are highest; it must not fall below 0" * (low < 0)


def _rest_ends(space: Space, rest: Rest, base: Experiment) -> tuple[float, float]:
    known = _known(space, base)
    lows: dict[str, Any] = {}
    highs: dict[str, Any] = {}
    for path in rest.of:
        bounds = space.space.get(path)
        if isinstance(bounds, Uniform | LogUniform | Int):
            lows[path], highs[path] = bounds.low, bounds.high
        else:
            values = bounds.options if isinstance(bounds, Choice) else (known[path],)
            lows[path], highs[path] = min(values), max(values)
    return _rest(rest, highs), _rest(rest, lows)


def _together(space: Space, base: Experiment) -> list[str]:
    """Check how fields go with each other; where the middle of all ranges is wrong, nothing more is looked at."""
    searched = _searched(space)
    middle = {path: bounds.middle for path, bounds in searched.items()}
    problems = [f"{space.where('space')}: every range at its middle: {text}" for text in _wrong(space, middle, base)]
    if problems:
        return problems
    for path, bounds in searched.items():
        for label, value in _told_ends(bounds).items():
            said = f"{label} of {path}, the others at their middle"
            texts = _wrong(space, {**middle, path: value}, base)
            problems += [f"{space.where(f'space.{path}')}: {said}: {text}" for text in texts]
    for first, second in () if problems else itertools.combinations(searched, 2):
        ends = itertools.product(_told_ends(searched[first]).items(), _told_ends(searched[second]).items())
        for (label, value), (other, beside) in ends:
            said = f"{label} of {first} with {other} of {second}"
            texts = _wrong(space, {**middle, first: value, second: beside}, base)
            problems += [f"{space.where(f'space.{first}')}: {said}: {text}" for text in texts]
    return problems


def _told_ends(bounds: Uniform | LogUniform | Int | Choice) -> dict[str, Any]:
    if isinstance(bounds, Choice):
        return {f"option {leaf_text(told)}": told for told in bounds.told}
    return {"low": bounds.low, "high": bounds.high}


def _wrong(space: Space, values: Mapping[str, Any], base: Experiment) -> list[str]:
    try:
        override(base, [*_fixed(space), *_spread(space, values, _known(space, base))])
    except UserError as error:
        return [_text(problem, base) for problem in error.problems]
    return []
