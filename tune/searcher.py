"""What a sweep tries next: an Optuna study that is filled anew from the store, asked by Ray."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import Trial, TrialState, create_trial
from ray.tune.search import Searcher

from tagging import seeds
from tune.records import TrialRecord
from tune.schema import Grid, Random, SweepPlan, Tpe
from tune.study import new_study

Values = dict[str, Any]
NUMBER = "trial"  # of a trial of this sweep, in the study


def drawn(distributions: Mapping[str, BaseDistribution], seed: int) -> Values:
    """Return a value from each distribution, a function of the seed (0 or more)."""
    study = new_study(["lwlrap"])
    study.sampler = optuna.samplers.RandomSampler(seed=seed % 2**32)
    return dict(study.ask(dict(distributions)).params)


class StudySearcher(Searcher):
    """Asks an Optuna study for the values of `trials` trials in all, those of `earlier` counted.

    `study` is an empty one of these `objectives`. `earlier` are the trials that the sweep has in the store: what ended
    is told to the study, what was broken off comes first, under its own number. `known` are (values, score) pairs of
    other runs, which the study learns from. `grid`: the values of each trial, in place of drawn ones. Every draw is a
    function of the seed and the number.
    """

    def __init__(
        self,
        plan: SweepPlan,
        study: optuna.Study,
        searcher: Random | Grid | Tpe,
        distributions: Mapping[str, BaseDistribution],
        trials: int,
        seed: int,
        objectives: Sequence[str] = ("lwlrap",),
        earlier: Sequence[TrialRecord] = (),
        known: Sequence[tuple[Values, float]] = (),
        grid: Sequence[Values] = (),
    ) -> None:
        super().__init__(metric="lwlrap", mode="max")
        self._plan, self._study = plan, study
        self._settings, self._seed, self._objectives = searcher, seed, tuple(objectives)
        self._distributions = dict(distributions)
        self._grid = list(grid)
        self._asked: dict[str, Trial] = {}
        self._told: Counter[str] = Counter()  # epochs that the study knows
        self._unfinished: list[tuple[int, Values]] = []
        there = {record.number for record in earlier}  # not all below the highest: trials begin side by side
        self._new = [number for number in range(trials) if number not in there]
        for values, score in known:
            self._learn(values, [score], TrialState.COMPLETE, {})
        for record in earlier:
            self._remember(record)

    def set_search_properties(self, *_: object, **__: object) -> bool:
        """Accept what Ray tells again: metric and direction are set."""
        return True

    def suggest(self, trial_id: str) -> Values | None:
        """Return number and values of the next trial, or that there is none."""
        if self._unfinished:
            number, values = self._unfinished.pop(0)
            self._study.enqueue_trial(values)
        elif self._new:
            number = self._new.pop(0)
            if self._grid:
                self._study.enqueue_trial(self._grid[number])
        else:
            return Searcher.FINISHED  # type: ignore[return-value]  # Ray's own word for it is a text
        self._study.sampler = self._sampler(number)
        asked = self._study.ask(self._distributions)
        asked.set_user_attr(NUMBER, number)
        self._asked[trial_id] = asked
        return {"plan": self._plan, "number": number, "values": dict(asked.params)}

    def all_that_is_left(self) -> list[Values]:
        """Return what `suggest` gives until there is no more: numbers and values of the trials still to run."""
        suggested = (self.suggest(str(place)) for place in itertools.count())
        return list(itertools.takewhile(lambda config: config != Searcher.FINISHED, suggested))  # type: ignore[arg-type]

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Tell the study of an epoch, which counts if the trial is pruned; once, though a new worker reports again."""
        asked = self._asked.get(trial_id)  # none once the study was told how it ended
        if asked and len(self._objectives) == 1 and result.get("epochs", 0) > self._told[trial_id]:
            self._told[trial_id] = result["epochs"]
            asked.report(result["lwlrap"], result["epochs"])

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Tell the study how a trial ended, once: one whose end the store did not take is started and ends again."""
        asked = self._asked.pop(trial_id, None)
        if asked is None:
            return
        if error or result is None or "error" in result:
            self._study.tell(asked, state=TrialState.FAIL)
        elif result.get("whole"):
            self._study.tell(asked, [result[name] for name in self._objectives])
        else:
            self._study.tell(asked, state=TrialState.PRUNED)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the store is the memory."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the store is the memory."""

    def __getstate__(self) -> dict[str, Any]:
        """Hand Ray's own record of the sweep nothing: it is scratch."""
        return {}

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        seed = seeds.derive(self._seed, number, "search") % 2**32
        if isinstance(self._settings, Tpe):
            return optuna.samplers.TPESampler(seed=seed, n_startup_trials=self._settings.startup, multivariate=True)
        return optuna.samplers.RandomSampler(seed=seed)

    def _remember(self, record: TrialRecord) -> None:
        if record.state == "FINISHED" and record.lwlrap is not None:
            scores = {"lwlrap": record.lwlrap, "seconds": record.seconds, "parameters": record.parameters}
            told = [scores[name] for name in self._objectives]
            self._learn(dict(record.values), told, TrialState.COMPLETE, {NUMBER: record.number})
        elif record.state == "PRUNED" and len(self._objectives) == 1:
            reached = {record.epochs: record.lwlrap or 0.0}
            self._learn(dict(record.values), None, TrialState.PRUNED, {NUMBER: record.number}, reached)
        elif record.broken_off:
            self._unfinished.append((record.number, dict(record.values)))

    def _learn(
        self,
        values: Values,
        scores: Sequence[float] | None,
        state: TrialState,
        attributes: dict[str, Any],
        intermediate: dict[int, float] | None = None,
    ) -> None:
        trial = create_trial(
            params=values,
            distributions=self._distributions,
            values=scores,
            state=state,
            user_attrs=attributes,
            intermediate_values=intermediate or {},
        )
        self._study.add_trial(trial)
