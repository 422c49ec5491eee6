"""How much of the differences between scores each searched field explains."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tune.records import TrialRecord
from tune.study import new_study
from tune.values import column, is_number


def importance(trials: Sequence[TrialRecord], log_scaled: Collection[str]) -> dict[str, float]:
    """Return the share of each field in the variance of the trials' lwlrap, the largest first, by Optuna's fANOVA.

    All trials need a score; fields that never vary are left out. Empty where there is nothing to explain: fewer than
    two different scores, or no field that varies.
    """
    fields = dict.fromkeys(field for trial in trials for field in trial.values)
    columns = {field: column([trial.values.get(field) for trial in trials]) for field in fields}
    varied = {field: chosen for field, chosen in columns.items() if len(set(chosen)) > 1}
    if len({trial.lwlrap for trial in trials}) < 2 or not varied:
        return {}
    spread = {field: _distribution(chosen, field in log_scaled) for field, chosen in varied.items()}
    study = new_study(["lwlrap"])
    for index, trial in enumerate(trials):
        params = {field: chosen[index] for field, chosen in varied.items()}
        study.add_trial(optuna.create_trial(value=trial.lwlrap, params=params, distributions=spread))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _distribution(chosen: Sequence[float | str], log: bool) -> BaseDistribution:
    numbers = [value for value in chosen if is_number(value)]
    if numbers:
        return FloatDistribution(min(numbers), max(numbers), log=log and min(numbers) > 0)
    return CategoricalDistribution(sorted({str(value) for value in chosen}))
