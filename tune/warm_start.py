"""What the store knows already: finished runs that a sweep's space could have tried."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from tagging import RECIPE_VERSION
from tagging.config import Stacker
from tagging.config.load import deciding, leaf_text
from tagging.errors import UserError
from tagging.tracking.store import Run, Store
from tune.schema import Space
from tune.space import distributions, experiment_of

Known = tuple[dict[str, Any], float]


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
    found = []
    same = {**tags, "recipe": str(RECIPE_VERSION)}
    for kind in ("experiment", "trial"):
        for run in store.search({"kind": kind, **same}, dataset):
            fixed = "trial.exchanges" not in run.tags  # else no values stand for its score
            if run.status == "FINISHED" and run.parent_id != sweep_id and fixed:
                values = _values_in(space, data, run)
                score = _score(store, run, folds) if values is not None else None
                if values is not None and score is not None:
                    found.append((values, score))
    return found


def _values_in(space: Space, data: Path | None, run: Run) -> dict[str, Any] | None:
    """Return the values by which the space gives this run's config, None where none do."""
    for values in _candidates(distributions(space), run.params):
        try:
            experiment = experiment_of(space, values, data)
        except UserError:
            continue
        # what is off stands in no leaf here, but may be on in the run
        untaught = isinstance(experiment, Stacker) or experiment.teacher.off
        alike = untaught == ("teacher.run" not in run.tags)
        if alike and all(run.params.get(path) == leaf_text(value) for path, value in deciding(experiment).items()):
            return values
    return None


def _candidates(ranges: Mapping[str, BaseDistribution], params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    options = [_options(path, distribution, params) for path, distribution in ranges.items()]
    for chosen in itertools.product(*options):
        yield dict(zip(ranges, chosen, strict=True))


def _options(path: str, distribution: BaseDistribution, params: Mapping[str, str]) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    try:
        number = float(params.get(path, ""))
    except ValueError:
        return []
    # its own word for it, by which a study would refuse the value: that of a step counts too
    return [distribution.to_external_repr(number)] if distribution._contains(number) else []


def _score(store: Store, run: Run, folds: Sequence[int]) -> float | None:
    scores = {int(child.tags["fold"]): child.metrics.get("best_val_lwlrap") for child in store.children(run.id)}
    wanted = [scores.get(fold) for fold in folds]
    known = [score for score in wanted if score is not None]
    return sum(known) / len(known) if len(known) == len(wanted) else None
