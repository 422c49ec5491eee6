"""What Optuna computes of a sweep: its study, the Pareto front of its trials, the importance of its fields.

The study is a SQLite file that is filled from the store at each start of a sweep, so that it never differs from the
store; Optuna's own tools can read it, in the work folder while the sweep runs and in the sweep's run afterwards.
Imports no Ray, so that the report of a sweep needs none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection

from tune.records import TrialRecord, columns, is_number, ranked

STUDY = "study.db"
OBJECTIVES = {
    "lwlrap": StudyDirection.MAXIMIZE,
    "parameters": StudyDirection.MINIMIZE,
    "seconds": StudyDirection.MINIMIZE,
}
PATIENCE_S = 60  # to wait for a reader that holds the file


def new_study(objectives: Sequence[str], folder: Path | None = None, name: str | None = None) -> optuna.Study:
    """Return an empty study of some objectives, the first of which counts most; in `folder`/study.db, or in memory.

    A file that is there already is replaced.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study
    directions = [OBJECTIVES[objective] for objective in objectives]
    if folder is None:
        return optuna.create_study(directions=directions)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{STUDY}*"):  # its journal with it
        left.unlink()
    storage = RDBStorage(f"sqlite:///{folder / STUDY}", engine_kwargs={"connect_args": {"timeout": PATIENCE_S}})
    return optuna.create_study(storage=storage, study_name=name, directions=directions)


def drawn(distributions: Mapping[str, BaseDistribution], seed: int) -> dict[str, Any]:
    """Return a value from each distribution, a function of the seed (0 or more)."""
    study = new_study(["lwlrap"])
    study.sampler = optuna.samplers.RandomSampler(seed=seed % 2**32)
    return dict(study.ask(dict(distributions)).params)


def front(trials: Sequence[TrialRecord], objectives: Sequence[str]) -> list[TrialRecord]:
    """Return the finished trials that no other beats in one objective without losing in another, the best lwlrap first.

    `objectives` are lwlrap (high is good), parameters and seconds (low is good).
    """
    study = new_study(objectives)
    finished = [trial for trial in trials if trial.finished]
    for trial in finished:
        study.add_trial(optuna.create_trial(values=[float(getattr(trial, name)) for name in objectives]))
    return ranked([finished[best.number] for best in study.best_trials])


def importance(trials: Sequence[TrialRecord], log_scaled: Collection[str]) -> dict[str, float]:
    """Return the share of each field in the variance of the trials' lwlrap, the largest first, by Optuna's fANOVA.

    All trials need a score; fields that never vary are left out. Empty where there is nothing to explain: fewer than
    two different scores, or no field that varies.
    """
    varied = {field: chosen for field, chosen in columns(trials).items() if len(set(chosen)) > 1}
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
