"""Which fields of an experiment may be searched, whatever their ranges."""

from __future__ import annotations

import re

from tagging.config import AnyRecipe
from tagging.config.load import override
from tagging.config.schema import WHERE
from tagging.errors import UserError
from tune.schema import Choice, Range, Space
from tune.space import fixed, leaves
from tune.values import is_number

PATH = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
# what a network can be trained with from one epoch to the next
_MOVABLE = ("augment.", "loss.", "mixer.", "optimizer.", "sampling.curated", "sampling.noisy", "sampling.trusted")


def misplaced(space: Space) -> list[str]:
    """Say which paths cannot be searched as they stand, whatever their ranges."""
    problems = []
    for path in space.space:
        where = f"{space.where(f'space.{path}')}: space.{path}"
        if not PATH.fullmatch(path):
            problems.append(f"{where}: not the path of a field, such as optimizer.lr")
        reasons = {leaf: _unsearchable(leaf) for leaf in _leaves_of(path, space.space[path])}
        problems += [f"{where}: {leaf} {reason}; it cannot be searched" for leaf, reason in reasons.items() if reason]
        if "training.epochs" in reasons and space.scheduler.kind in ("asha", "median"):  # pbt has its own word for it
            problems.append(
                f"{where}: scheduler.kind {space.scheduler.kind} compares trials at equal epochs, so "
                "training.epochs must be one for all; give set: {training.epochs: N}, or scheduler: {kind: none}"
            )
        problems += [
            f"{where} lies in {around}, which is searched as a whole" for around in space.space if inside(path, around)
        ]
        problems += [
            f"{space.where(f'set.{other}')}: set.{other}: {path} is searched; leave one of the two out"
            for other in space.set
            if other == path or inside(other, path) or inside(path, other)
        ]
    return problems


def _unsearchable(leaf: str) -> str:
    """Say why a field cannot be searched by anyone; empty where it can."""
    section = leaf.split(".")[0]
    if leaf in WHERE or section in ("data", "demo"):
        return "does not decide what an experiment computes"
    if section == "folds" or leaf == "labels.corrections":
        return "decides on which clips and labels a trial is scored, so that scores could not be compared"
    if section == "predict":
        return "is of finished networks; search_lwlrap, by which trials are compared, does not depend on it"
    return ""


def _leaves_of(path: str, bounds: Range) -> list[str]:
    """Return the fields that a range gives values: its own, or those of all sections that it chooses from."""
    options = bounds.options if isinstance(bounds, Choice) else (None,)
    return list(dict.fromkeys(leaf for option in options for leaf, _ in leaves(path, option)))


def fixed_while_training(space: Space, base: AnyRecipe) -> list[str]:
    """Say which fields cannot change from epoch to epoch, and which would change by themselves."""
    try:
        base = override(base, fixed(space))
    except UserError:  # said elsewhere
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


def inside(path: str, around: str) -> bool:
    """Say whether a path lies in a section."""
    return path.startswith(f"{around}.")
