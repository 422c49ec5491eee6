"""Finished runs of the store whose values lie in a sweep's space: the searcher learns from them."""

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
from tune.schema import Choice, Space, SweepPlan
from tune.space import distributions, experiment_of, inside, middle, searched

Values = dict[str, Any]
Leaves = dict[str, str]
Options = Mapping[str, Sequence[tuple[Any, Leaves]]]
_NAMED = ("labels.", "model.weights")  # files, compared here by their names; `deciding` leaves them out


def known_results(
    store: Store, plan: SweepPlan, tags: Mapping[str, str], dataset: str, folds: Sequence[int]
) -> list[tuple[Values, float]]:
    """Return values and score of each finished experiment or trial of another sweep that lies in the space.

    Such a run has these `tags` of classes, clips and folds, and every field that is not searched has the space's value,
    if it decides numbers. The score is the mean of the best val_lwlrap over `folds`, as in the sweep's own trials.
    """
    same = {**tags, Tag.RECIPE: str(RECIPE_VERSION)}
    runs = [
        run
        for kind in FROM_SOUND
        for run in store.search({Tag.KIND: kind, **same}, dataset)
        # not a trial of a population that changed its values: none of them stands for its score
        if run.status == "FINISHED" and run.parent_id != plan.sweep_id and Tag.TRIAL_EXCHANGES not in run.tags
    ]
    space, data = plan.space, plan.data
    options = _options(space, data) if runs else {}
    found = []
    for run in runs:
        values = _values_in(space, options, data, run)
        score = _score(store, run, folds) if values is not None else None
        if values is not None and score is not None:
            found.append((values, score))
    return found


def _options(space: Space, data: Path | None) -> Options:
    """Return the options of each choice, each with the experiment's leaves under that path (`scheduler.first`).

    The other fields, which change none of these leaves, are at their middle.
    """
    middles = middle(space)
    return {
        path: [
            (choice, _leaves(experiment_of(space, {**middles, path: choice}, data), path)) for choice in bounds.choices
        ]
        for path, bounds in searched(space).items()
        if isinstance(bounds, Choice)
    }


def _values_in(space: Space, options: Options, data: Path | None, run: Run) -> Values | None:
    """Return the values with which a trial of the space would have this run's config; None without such values."""
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
    # a teacher that is off has no leaf here, but the run may have one
    untaught = isinstance(experiment, Stacker) or experiment.teacher.off
    alike = untaught == (Tag.TEACHER_RUN not in run.tags) and _leaves(experiment).items() <= run.params.items()
    return values if alike else None


def _chosen(options: Sequence[tuple[Any, Leaves]], run: Run) -> list[Any]:
    """Return the option that agrees with a run, in a list, which is empty without one.

    Of several the one with the most leaves: a section that is off has none, and agrees with every run.
    """
    agreeing = [(choice, leaves) for choice, leaves in options if leaves.items() <= run.params.items()]
    return [max(agreeing, key=lambda option: len(option[1]))[0]] if agreeing else []


def _number(distribution: BaseDistribution, param: str) -> list[Any]:
    try:
        number = float(param)
    except ValueError:
        return []
    # `_contains` is Optuna's own check, which a study makes too: the value must also lie on a step
    return [distribution.to_external_repr(number)] if distribution._contains(number) else []


def _leaves(experiment: AnyRecipe, section: str = "") -> Leaves:
    """Return the leaves that a run's params must hold: all, or those of one field or section."""
    named = {path: value for path, value in flatten(experiment).items() if path.startswith(_NAMED)}
    leaves = {**deciding(experiment), **named}
    return {path: leaf_text(value) for path, value in leaves.items() if section in ("", path) or inside(path, section)}


def _score(store: Store, run: Run, folds: Sequence[int]) -> float | None:
    # the tag as text: somebody may have changed it to no number
    scores = {child.tags.get(Tag.FOLD): child.metrics.get(Metric.BEST_VAL) for child in store.children(run.id)}
    wanted = [scores.get(str(fold)) for fold in folds]
    known = [score for score in wanted if score is not None]
    return sum(known) / len(known) if len(known) == len(wanted) else None
