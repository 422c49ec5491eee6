"""What the store knows already: finished runs that a sweep's space could have tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution

from tagging import RECIPE_VERSION
from tagging.config import AnyRecipe, Stacker, flatten
from tagging.config.load import deciding, leaf_text
from tagging.contract import FROM_SOUND, Metric, Tag
from tagging.errors import UserError
from tagging.tracking.store import Run, Store
from tune.schema import Choice, Space
from tune.searchable import inside
from tune.space import distributions, experiment_of, searched

Known = tuple[dict[str, Any], float]
Leaves = dict[str, str]
Options = Mapping[str, Sequence[tuple[Any, Leaves]]]
_NAMED = ("labels.", "model.weights")  # files, told apart here by their names; `deciding` leaves them out


def known_results(
    store: Store,
    space: Space,
    data: Path | None,
    tags: Mapping[str, str],
    dataset: str,
    folds: Sequence[int],
    sweep_id: str,
) -> list[Known]:
    """Return values and score of each finished experiment or trial, of other sweeps, that lies in the space.

    Such a run has these `tags` of classes, clips and folds, and agrees in every field that decides numbers and is not
    searched. The score is the mean of the best val_lwlrap over `folds`, as in the sweep's own trials.
    """
    same = {**tags, Tag.RECIPE: str(RECIPE_VERSION)}
    runs = [
        run
        for kind in FROM_SOUND
        for run in store.search({Tag.KIND: kind, **same}, dataset)
        # of one that exchanged no values stand for its score
        if run.status == "FINISHED" and run.parent_id != sweep_id and Tag.TRIAL_EXCHANGES not in run.tags
    ]
    options = _options(space, data) if runs else {}
    found = []
    for run in runs:
        values = _values_in(space, options, data, run)
        score = _score(store, run, folds) if values is not None else None
        if values is not None and score is not None:
            found.append((values, score))
    return found


def _options(space: Space, data: Path | None) -> Options:
    """Return the options of each choice, with the leaves that an experiment has by each.

    The other fields, which change none of these leaves, are at their middle.
    """
    ranges = searched(space)
    middle = {path: bounds.middle for path, bounds in ranges.items()}
    return {
        path: [(told, _leaves(experiment_of(space, {**middle, path: told}, data), path)) for told in bounds.told]
        for path, bounds in ranges.items()
        if isinstance(bounds, Choice)
    }


def _values_in(space: Space, options: Options, data: Path | None, run: Run) -> dict[str, Any] | None:
    """Return the values by which the space gives this run's config, None where none do."""
    values = {}
    for path, distribution in distributions(space).items():
        chosen = _chosen(options[path], run) if path in options else _number(distribution, run.params.get(path, ""))
        if not chosen:
            return None
        values[path] = chosen[0]
    try:
        experiment = experiment_of(space, values, data)
    except UserError:
        return None
    # what is off stands in no leaf here, but may be on in the run
    untaught = isinstance(experiment, Stacker) or experiment.teacher.off
    alike = untaught == (Tag.TEACHER_RUN not in run.tags) and _leaves(experiment).items() <= run.params.items()
    return values if alike else None


def _chosen(options: Sequence[tuple[Any, Leaves]], run: Run) -> list[Any]:
    """Return the option that agrees with a run in the most leaves, since one that is off has none; or nothing."""
    agreeing = [(told, leaves) for told, leaves in options if leaves.items() <= run.params.items()]
    return [max(agreeing, key=lambda option: len(option[1]))[0]] if agreeing else []


def _number(distribution: BaseDistribution, param: str) -> list[Any]:
    try:
        number = float(param)
    except ValueError:
        return []
    # its own word for it, by which a study would refuse the value: that of a step counts too
    return [distribution.to_external_repr(number)] if distribution._contains(number) else []


def _leaves(experiment: AnyRecipe, around: str = "") -> Leaves:
    """Return the leaves that a run must have, as its params say them: all, or those of one field or section."""
    named = {path: value for path, value in flatten(experiment).items() if path.startswith(_NAMED)}
    leaves = {**deciding(experiment), **named}
    return {path: leaf_text(value) for path, value in leaves.items() if around in ("", path) or inside(path, around)}


def _score(store: Store, run: Run, folds: Sequence[int]) -> float | None:
    # by the tag's text, since one that somebody changed is no fold of ours
    scores = {child.tags.get(Tag.FOLD): child.metrics.get(Metric.BEST_VAL) for child in store.children(run.id)}
    wanted = [scores.get(str(fold)) for fold in folds]
    known = [score for score in wanted if score is not None]
    return sum(known) / len(known) if len(known) == len(wanted) else None
