"""Whether a space suits its experiment: which fields may be searched, the ends of every range, and combinations."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tagging import project
from tagging.config import AnyRecipe, Stacker, load
from tagging.config.load import find, leaf_text, override
from tagging.config.schema import WHERE
from tagging.errors import UserError
from tagging.report.wording import count
from tune.records import is_number
from tune.schema import Choice, Int, LogUniform, Rest, Space, Stopping, Uniform
from tune.space import (
    Searched,
    as_option,
    fixed,
    grid_size,
    inside,
    known_fields,
    leaves,
    middle,
    overrides_of,
    rest_of,
    searched,
)

PATH = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
_OF_FIELD = re.compile(r"([\w.]+) is ")
_OF_OVERRIDE = re.compile(r"--set ([\w.]+): (.*)", re.DOTALL)
# fields that may change from one epoch to the next
_MOVABLE = ("augment.", "loss.", "mixer.", "optimizer.", "sampling.curated", "sampling.noisy", "sampling.trusted")


def check_space(space: Space, data: Path | None) -> None:
    """Check every path and both ends of every range against the schema of an experiment, before anything starts.

    First each field by itself, at its ends. Then, since some fields limit each other: every range at its middle, each
    at its ends with the others at their middle, and each two at their ends. Raises UserError with all problems.
    """
    try:
        find(space.experiment, project.experiments())
    except UserError as error:
        raise UserError(f"{space.where('experiment')}: experiment: {error}") from None
    base = load(space.experiment, data=data)
    problems = [*_unsearchable(space), *_wrong_set(space, base), *_absent_folds(space, base), *_late_grace(space, base)]
    if space.searcher.kind == "grid":
        problems += _wrong_grid(space)
    if space.scheduler.kind == "pbt":
        problems += _fixed_while_training(space, base)
    problems += [problem for path in space.space if PATH.fullmatch(path) for problem in _field(space, path, base)]
    problems = problems or _together(space, base)
    if problems:
        raise UserError(*problems)


def _unsearchable(space: Space) -> list[str]:
    """Return the problems of paths that cannot be searched, whatever their ranges."""
    problems = []
    for path, bounds in space.space.items():
        where = f"{space.where(f'space.{path}')}: space.{path}"
        if not PATH.fullmatch(path):
            problems.append(f"{where}: not the path of a field, such as optimizer.lr")
        options = bounds.options if isinstance(bounds, Choice) else (None,)
        fields = dict.fromkeys(leaf for option in options for leaf, _ in leaves(path, option))
        reasons = {leaf: _why_unsearchable(leaf) for leaf in fields}
        problems += [f"{where}: {leaf} {reason}; it cannot be searched" for leaf, reason in reasons.items() if reason]
        if "training.epochs" in fields and isinstance(space.scheduler, Stopping):
            problems.append(
                f"{where}: scheduler.kind {space.scheduler.kind} compares trials at equal epochs, so "
                "training.epochs must be one for all; give set: {training.epochs: N}, or scheduler: {kind: none}"
            )
        problems += [
            f"{where} lies in {section}, which is searched as a whole"
            for section in space.space
            if inside(path, section)
        ]
        problems += [
            f"{space.where(f'set.{other}')}: set.{other}: {path} is searched; leave one of the two out"
            for other in space.set
            if other == path or inside(other, path) or inside(path, other)
        ]
    return problems


def _why_unsearchable(leaf: str) -> str:
    section = leaf.split(".")[0]
    if leaf in WHERE or section in ("data", "demo"):
        return "does not decide what an experiment computes"
    if section == "folds" or leaf == "labels.corrections":
        return "decides on which clips and labels a trial is scored, so that scores could not be compared"
    if section == "predict":
        return "is for finished networks; search_lwlrap, the score of trials, does not depend on it"
    return ""


def _wrong_set(space: Space, base: AnyRecipe) -> list[str]:
    """Return the problems of single fixed fields; whether they go together may depend on searched ones."""
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
    folds = _fold_count(space, base)
    if folds is None or max(space.folds, default=0) < folds:
        return []
    given = f"{space.where('folds')}: folds is {list(space.folds)}"
    return [f"{given}; {space.experiment} has folds 0 to {folds - 1}"]


def _fold_count(space: Space, base: AnyRecipe) -> int | None:
    """Return how many folds there are, None where that follows from the data or from a stacker's members."""
    if isinstance(base, Stacker):
        return None
    try:
        folds = override(base, [text for text in fixed(space) if text.startswith("folds.")]).folds
    except UserError:  # `_wrong_set` reports it
        return None
    return None if folds.kind == "column" else folds.count


def _late_grace(space: Space, base: AnyRecipe) -> list[str]:
    """Return a problem where trials end before any of them may be stopped."""
    epochs = known_fields(space, base)["training.epochs"]
    folds = len(space.folds) or _fold_count(space, base)
    # `_wrong_set` reports epochs that are no number
    if not isinstance(space.scheduler, Stopping) or not isinstance(epochs, int) or folds is None:
        return []
    grace, whole = space.scheduler.grace, epochs * folds
    if grace <= whole:
        return []
    lasts = f"a trial has {count(whole, 'epoch')}, {epochs} in each of {count(folds, 'fold')}"
    return [
        f"{space.where('scheduler.grace')}: scheduler.grace is {grace}, and {lasts}: none could be stopped; "
        f"give scheduler.grace {whole} or less, more training.epochs or more folds"
    ]


def _wrong_grid(space: Space) -> list[str]:
    problems = [
        f"{space.where(f'space.{path}')}: space.{path} is of kind {bounds.kind}; "
        "a grid takes ranges of kind choice and int, give its values as options"
        for path, bounds in space.space.items()
        if isinstance(bounds, Uniform | LogUniform)
    ]
    if problems or space.trials >= (size := grid_size(space)):
        return problems
    return [
        f"{space.where('trials')}: trials is {space.trials}, and the grid tries each of its {size} combinations once; "
        f"give trials: {size} (--trials {size}), fewer options, or searcher: {{kind: random}}"
    ]


def _fixed_while_training(space: Space, base: AnyRecipe) -> list[str]:
    """Return the problems of a population: fields that cannot change from epoch to epoch, or change by themselves."""
    try:
        base = override(base, fixed(space))
    except UserError:  # `_wrong_set` reports it
        return []
    problems = []
    for path, bounds in space.space.items():
        where = f"{space.where(f'space.{path}')}: space.{path}"
        if not path.startswith(_MOVABLE):
            movable = ", ".join(sorted(name.removesuffix(".") for name in _MOVABLE))
            problems.append(f"{where} cannot change while a network trains; scheduler.kind pbt searches {movable}")
        elif isinstance(bounds, Choice) and not all(map(is_number, bounds.options)):
            problems.append(f"{where}: scheduler.kind pbt moves numbers; give a range, or options that are all numbers")
    scheduler, patience = base.scheduler.kind, base.early_stopping.patience
    if scheduler != "constant" and any(path.startswith("optimizer.") for path in space.space):
        problems.append(
            f"{space.where('scheduler')}: scheduler.kind pbt moves the learning rate, and so does {base.name} by its "
            f"scheduler.kind {scheduler}; give set: {{scheduler.kind: constant}}"
        )
    if patience is not None:
        problems.append(
            f"{space.where('scheduler')}: scheduler.kind pbt has its trials wait for each other, and "
            f"early_stopping.patience is {patience}; give set: {{early_stopping.patience: null}}"
        )
    return problems


def _field(space: Space, path: str, base: AnyRecipe) -> list[str]:
    """Check a field by itself at the ends of its range; a problem of all ends is reported once."""
    bounds = space.space[path]
    where = space.where(f"space.{path}")
    if isinstance(bounds, Rest):
        wrong = _wrong_rest(space, bounds, base)
        if wrong:
            return [f"{where}: space.{path}: {wrong}"]
        ends = dict(zip(("low", "high"), _rest_ends(space, bounds, base), strict=True))
    else:
        ends = {label: as_option(bounds, end) for label, end in _ends(bounds).items()}
    found = {label: _own(space, path, value, base) for label, value in ends.items()}
    if isinstance(bounds, Uniform | LogUniform) and not any(found.values()):
        return [f"{where}: {problem}" for problem in _between(space, path, bounds, base)]
    everywhere = set.intersection(*map(set, found.values()))
    problems = [f"{where}: {text}" for text in sorted(everywhere)]
    for label, texts in found.items():
        place = space.where(f"space.{path}.{label}") if isinstance(bounds, Uniform | LogUniform | Int) else where
        problems += [f"{place}: {label} of {path}: {text}" for text in texts if text not in everywhere]
    return problems


def _ends(bounds: Searched) -> dict[str, Any]:
    if isinstance(bounds, Choice):
        return {f"option {leaf_text(choice)}": choice for choice in bounds.choices}
    return {"low": bounds.low, "high": bounds.high}


def _between(space: Space, path: str, bounds: Uniform | LogUniform, base: AnyRecipe) -> list[str]:
    """Return the problem of a range of any numbers whose ends are whole, for a field that takes whole numbers alone."""
    if bounds.low % 1 or bounds.high % 1:
        return []
    log = ", log: true" * isinstance(bounds, LogUniform)
    whole = f"{{kind: int, low: {int(bounds.low)}, high: {int(bounds.high)}{log}}}"
    texts = _own(space, path, bounds.low + 0.5, base)  # below high, which is another whole number
    return [f"between low and high of {path}: {text}; give {whole}" for text in texts]


def _own(space: Space, path: str, value: Any, base: AnyRecipe) -> list[str]:
    """Return the problems of a field's value itself, not those with other fields."""
    overrides = [*fixed(space), *(f"{leaf}={leaf_text(text)}" for leaf, text in leaves(path, value))]
    fields = {text: _field_of(text) for text in _problems(base, overrides)}
    return [text for text, field in fields.items() if field == path or inside(field, path) or inside(path, field)]


def _problems(base: AnyRecipe, overrides: Sequence[str]) -> list[str]:
    try:
        override(base, overrides)
    except UserError as error:
        matches = [(problem, _OF_OVERRIDE.fullmatch(problem)) for problem in error.problems]
        return [match[2] if match else problem.removeprefix(f"{base.name}: ") for problem, match in matches]
    return []


def _field_of(text: str) -> str:
    """Return the field of a problem; empty for one of several fields."""
    match = _OF_FIELD.match(text)
    return match[1] if match else ""


def _wrong_rest(space: Space, rest: Rest, base: AnyRecipe) -> str:
    known = known_fields(space, base)
    for path in rest.of:
        bounds = space.space.get(path)
        if isinstance(bounds, Rest):
            return f"of names {path}, which is a rest itself"
        values = bounds.options if isinstance(bounds, Choice) else [known.get(path)] if bounds is None else []
        if not all(isinstance(value, int | float) for value in values):
            return f"of names {path}, which is no number"
    low, _ = _rest_ends(space, rest, base)
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
    """Check combinations of fields; where the middle of all ranges is wrong, nothing more is checked."""
    ranges, middles = searched(space), middle(space)

    def wrong(place: str, label: str, changed: dict[str, Any]) -> list[str]:
        texts = _problems(base, [*fixed(space), *overrides_of(space, {**middles, **changed}, base)])
        return [f"{space.where(place)}: {label}: {text}" for text in texts]

    problems = wrong("space", "every range at its middle", {})
    if problems:
        return problems
    for path, bounds in ranges.items():
        for label, value in _ends(bounds).items():
            problems += wrong(f"space.{path}", f"{label} of {path}, the others at their middle", {path: value})
    for first, second in () if problems else itertools.combinations(ranges, 2):
        ends = itertools.product(_ends(ranges[first]).items(), _ends(ranges[second]).items())
        for (label, value), (other, beside) in ends:
            text = f"{label} of {first} with {other} of {second}"
            problems += wrong(f"space.{first}", text, {first: value, second: beside})
    return problems
