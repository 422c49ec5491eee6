"""Whether a space suits its experiment: every path, both ends of every range, and how they go together."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tagging import project
from tagging.config import AnyRecipe, Stacker, load
from tagging.config.load import find, leaf_text, override
from tagging.errors import UserError
from tagging.report.wording import count
from tune.schema import Asha, Choice, Int, LogUniform, Median, Rest, Space, Uniform
from tune.searchable import PATH, fixed_while_training, inside, misplaced
from tune.space import as_option, fixed, grid_size, known_fields, leaves, rest_of, searched, spread, uncountable

_OF_FIELD = re.compile(r"([\w.]+) is ")
_OF_OVERRIDE = re.compile(r"--set ([\w.]+): (.*)", re.DOTALL)


def check_space(space: Space, data: Path | None) -> None:
    """Check every path and both ends of every range against the schema of an experiment, before anything starts.

    First each field by itself, at its ends. Then all together: every range at its middle, each at its ends with the
    others at their middle, and each two at their ends, since some fields limit each other. Raises UserError with all
    problems at once.
    """
    base = _base(space, data)
    problems = [*misplaced(space), *_wrong_set(space, base), *_absent_folds(space, base), *_late_grace(space, base)]
    if space.searcher.kind == "grid":
        problems += uncountable(space) or _short_of_grid(space)
    if space.scheduler.kind == "pbt":
        problems += fixed_while_training(space, base)
    problems += [problem for path in space.space if PATH.fullmatch(path) for problem in _field(space, path, base)]
    problems = problems or _together(space, base)
    if problems:
        raise UserError(*problems)


def _base(space: Space, data: Path | None) -> AnyRecipe:
    try:
        find(space.experiment, project.experiments())
    except UserError as error:
        raise UserError(f"{space.where('experiment')}: experiment: {error}") from None
    return load(space.experiment, data=data)


def _wrong_set(space: Space, base: AnyRecipe) -> list[str]:
    """Say what is wrong with the fixed fields themselves; whether they go together may be up to those searched."""
    problems = [
        f"{space.where(f'set.{path}')}: set.{path}: not the path of a field, such as optimizer.lr"
        for path in space.set
        if not PATH.fullmatch(path)
    ]
    if problems:
        return problems
    try:
        override(base, fixed(space))
    except UserError as error:
        matches = (_OF_OVERRIDE.fullmatch(problem) for problem in error.problems)
        return [
            f"{space.where(f'set.{match[1]}')}: set: {match[2]}" for match in matches if match and _field_of(match[2])
        ]
    return []


def _absent_folds(space: Space, base: AnyRecipe) -> list[str]:
    there = _fold_count(space, base)
    if there is None or max(space.folds, default=0) < there:
        return []
    given = f"{space.where('folds')}: folds is {list(space.folds)}"
    return [f"{given}; {space.experiment} has folds 0 to {there - 1}"]


def _fold_count(space: Space, base: AnyRecipe) -> int | None:
    """Return how many folds there are, None where only the data or a stacker's members say it."""
    if isinstance(base, Stacker):
        return None
    try:
        folds = override(base, [text for text in fixed(space) if text.startswith("folds.")]).folds
    except UserError:  # said elsewhere
        return None
    return None if folds.kind == "column" else folds.count


def _late_grace(space: Space, base: AnyRecipe) -> list[str]:
    """Say where trials would be over before any of them may be stopped."""
    epochs = known_fields(space, base)["training.epochs"]
    folds = len(space.folds) or _fold_count(space, base)
    # what is set and no number is said elsewhere
    if not isinstance(space.scheduler, Asha | Median) or not isinstance(epochs, int) or folds is None:
        return []
    grace, whole = space.scheduler.grace, epochs * folds
    if grace <= whole:
        return []
    lasts = f"a trial has {count(whole, 'epoch')}, {epochs} in each of {count(folds, 'fold')}"
    return [
        f"{space.where('scheduler.grace')}: scheduler.grace is {grace}, and {lasts}: none could be stopped; "
        f"give scheduler.grace {whole} or less, more training.epochs or more folds"
    ]


def _short_of_grid(space: Space) -> list[str]:
    size = grid_size(space)
    if space.trials >= size:
        return []
    return [
        f"{space.where('trials')}: trials is {space.trials}, and the grid has {size} combinations, each of which is to "
        f"be tried once; give trials: {size} (--trials {size}), fewer options, or searcher: {{kind: random}}"
    ]


def _field(space: Space, path: str, base: AnyRecipe) -> list[str]:
    """Check a field by itself at the ends of its range; what is wrong at all of them is said once."""
    bounds = space.space[path]
    where = space.where(f"space.{path}")
    if isinstance(bounds, Rest):
        wrong = _wrong_rest(space, bounds, base)
        if wrong:
            return [f"{where}: space.{path}: {wrong}"]
    found = {label: _own(space, path, value, base) for label, value in _ends(space, path, base).items()}
    if isinstance(bounds, Uniform | LogUniform) and not any(found.values()):
        return [f"{where}: {problem}" for problem in _between(space, path, bounds, base)]
    everywhere = set.intersection(*map(set, found.values()))
    problems = [f"{where}: {text}" for text in sorted(everywhere)]
    for label, texts in found.items():
        place = space.where(f"space.{path}.{label}") if isinstance(bounds, Uniform | LogUniform | Int) else where
        problems += [f"{place}: {label} of {path}: {text}" for text in texts if text not in everywhere]
    return problems


def _ends(space: Space, path: str, base: AnyRecipe) -> dict[str, Any]:
    bounds = space.space[path]
    if isinstance(bounds, Rest):
        low, high = _rest_ends(space, bounds, base)
        return {"low": low, "high": high}
    return {label: as_option(bounds, told) for label, told in _told_ends(bounds).items()}


def _between(space: Space, path: str, bounds: Uniform | LogUniform, base: AnyRecipe) -> list[str]:
    """Say where whole ends hide that the field takes whole numbers alone."""
    if bounds.low % 1 or bounds.high % 1:
        return []
    log = ", log: true" * isinstance(bounds, LogUniform)
    whole = f"{{kind: int, low: {int(bounds.low)}, high: {int(bounds.high)}{log}}}"
    texts = _own(space, path, bounds.low + 0.5, base)  # below high, which is another whole number
    return [f"between low and high of {path}: {text}; give {whole}" for text in texts]


def _own(space: Space, path: str, value: Any, base: AnyRecipe) -> list[str]:
    """Return what is wrong with a field's value itself, not with how it goes with others."""
    try:
        override(base, [*fixed(space), *(f"{leaf}={leaf_text(text)}" for leaf, text in leaves(path, value))])
    except UserError as error:
        texts = [_text(problem, base) for problem in error.problems]
        return [text for text in texts if _related(_field_of(text), path)]
    return []


def _field_of(text: str) -> str:
    """Return the field that a problem is about; empty for one about several fields."""
    match = _OF_FIELD.match(text)
    return match[1] if match else ""


def _related(field: str, path: str) -> bool:
    return field in (path, f"{path}.kind") or inside(field, path) or inside(path, field)


def _text(problem: str, base: AnyRecipe) -> str:
    match = _OF_OVERRIDE.fullmatch(problem)
    return match[2] if match else problem.removeprefix(f"{base.name}: ")


def _wrong_rest(space: Space, rest: Rest, base: AnyRecipe) -> str:
    known = known_fields(space, base)
    for path in rest.of:
        bounds = space.space.get(path)
        if isinstance(bounds, Rest):
            return f"of names {path}, which is a rest itself"
        values = bounds.options if isinstance(bounds, Choice) else [known.get(path)] if bounds is None else []
        if not all(isinstance(value, int | float) for value in values):
            return f"of names {path}, which is no number"
    low = _rest_ends(space, rest, base)[0]
    return f"1 - {' - '.join(rest.of)} falls to {low:g} where they are highest; it must not fall below 0" * (low < 0)


def _rest_ends(space: Space, rest: Rest, base: AnyRecipe) -> tuple[float, float]:
    known = known_fields(space, base)
    lows: dict[str, Any] = {}
    highs: dict[str, Any] = {}
    for path in rest.of:
        bounds = space.space.get(path)
        if isinstance(bounds, Uniform | LogUniform | Int):
            lows[path], highs[path] = bounds.low, bounds.high
        else:
            values = bounds.options if isinstance(bounds, Choice) else (known[path],)
            lows[path], highs[path] = min(values), max(values)
    return rest_of(rest, highs), rest_of(rest, lows)


def _together(space: Space, base: AnyRecipe) -> list[str]:
    """Check how fields go with each other; where the middle of all ranges is wrong, nothing more is looked at."""
    ranges = searched(space)
    middle = {path: bounds.middle for path, bounds in ranges.items()}
    problems = [f"{space.where('space')}: every range at its middle: {text}" for text in _wrong(space, middle, base)]
    if problems:
        return problems
    for path, bounds in ranges.items():
        for label, value in _told_ends(bounds).items():
            said = f"{label} of {path}, the others at their middle"
            texts = _wrong(space, {**middle, path: value}, base)
            problems += [f"{space.where(f'space.{path}')}: {said}: {text}" for text in texts]
    for first, second in () if problems else itertools.combinations(ranges, 2):
        ends = itertools.product(_told_ends(ranges[first]).items(), _told_ends(ranges[second]).items())
        for (label, value), (other, beside) in ends:
            said = f"{label} of {first} with {other} of {second}"
            texts = _wrong(space, {**middle, first: value, second: beside}, base)
            problems += [f"{space.where(f'space.{first}')}: {said}: {text}" for text in texts]
    return problems


def _told_ends(bounds: Uniform | LogUniform | Int | Choice) -> dict[str, Any]:
    if isinstance(bounds, Choice):
        return {f"option {leaf_text(told)}": told for told in bounds.told}
    return {"low": bounds.low, "high": bounds.high}


def _wrong(space: Space, values: Mapping[str, Any], base: AnyRecipe) -> list[str]:
    try:
        override(base, [*fixed(space), *spread(space, values, known_fields(space, base))])
    except UserError as error:
        return [_text(problem, base) for problem in error.problems]
    return []
