"""The values that a sweep tries next, by a sampler of Optuna's."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState, create_trial
from ray.tune.search import Searcher

from tagging import seeds
from tune.records import TrialRecord
from tune.schema import SweepPlan
from tune.session import Unsaved
from tune.space import distributions, grid_points

Values = dict[str, Any]
NUMBER = "trial"  # attribute of a study's trial: its number in this sweep
# by kind in a space's file; each makes a sampler of its settings and a seed. A grid's values are enqueued
SAMPLERS: dict[str, Callable[[Any, int], BaseSampler]] = {
    "random": lambda settings, seed: RandomSampler(seed=seed),
    "grid": lambda settings, seed: RandomSampler(seed=seed),
    "tpe": lambda settings, seed: TPESampler(seed=seed, n_startup_trials=settings.startup, multivariate=True),
}


class StudySearcher(Unsaved, Searcher):
    """Asks an empty Optuna `study` for the values of `trials` trials in all, the `earlier` ones counted.

    `earlier` are the sweep's trials in the store: the study learns from those that ended; interrupted ones come first,
    under their numbers. It also learns from `known`, (values, score) pairs of other runs. Every draw is a function of
    the space's seed and the trial's number.
    """

    def __init__(
        self,
        plan: SweepPlan,
        study: optuna.Study,
        trials: int,
        earlier: Sequence[TrialRecord] = (),
        known: Sequence[tuple[Values, float]] = (),
    ) -> None:
        super().__init__(metric="lwlrap", mode="max")
        self._plan, self._study = plan, study
        self._space, self._objectives = plan.space, plan.space.objectives
        self._distributions = distributions(plan.space)
        self._grid = grid_points(plan.space) if plan.space.searcher.kind == "grid" else []
        self._asked: dict[str, Trial] = {}
        self._reported: Counter[str] = Counter()  # epochs that the study knows
        self._interrupted = [(record.number, dict(record.values)) for record in earlier if record.interrupted]
        begun = {record.number for record in earlier}  # with gaps: trials begin side by side
        self._new = [number for number in range(trials) if number not in begun]
        for values, score in known:
            self._learn(values, TrialState.COMPLETE, values=[score])
        for record in earlier:
            number = {NUMBER: record.number}
            if record.finished:
                scores = [getattr(record, name) for name in self._objectives]
                self._learn(record.values, TrialState.COMPLETE, values=scores, user_attrs=number)
            elif record.state == "PRUNED" and len(self._objectives) == 1:
                reached = {record.epochs: record.lwlrap or 0.0}
                self._learn(record.values, TrialState.PRUNED, intermediate_values=reached, user_attrs=number)

    def _learn(self, chosen: Mapping[str, Any], state: TrialState, **more: Any) -> None:
        trial = create_trial(params=dict(chosen), distributions=self._distributions, state=state, **more)
        self._study.add_trial(trial)

    def set_search_properties(self, *_: object, **__: object) -> bool:
        """Accept metric and direction from Ray: they are set already."""
        return True

    def suggest(self, trial_id: str) -> Values | None:
        """Return number and values of the next trial, or Ray's word that there is none."""
        if self._interrupted:
            number, values = self._interrupted.pop(0)
            self._study.enqueue_trial(values)
        elif self._new:
            number = self._new.pop(0)
            if self._grid:
                self._study.enqueue_trial(self._grid[number])
        else:
            return Searcher.FINISHED  # type: ignore[return-value]  # Ray's own word for it is a text
        seed = seeds.derive(self._space.seed, number, "search") % 2**32
        self._study.sampler = SAMPLERS[self._space.searcher.kind](self._space.searcher, seed)
        asked = self._study.ask(self._distributions)
        asked.set_user_attr(NUMBER, number)
        self._asked[trial_id] = asked
        return {"plan": self._plan, "number": number, "values": dict(asked.params)}

    def all_that_is_left(self) -> list[Values]:
        """Return number and values of all trials that are still to run."""
        suggested = (self.suggest(str(place)) for place in itertools.count())
        return list(itertools.takewhile(lambda config: config != Searcher.FINISHED, suggested))  # type: ignore[arg-type]

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Report an epoch to the study, which counts if the trial is pruned; once, though a new worker repeats it."""
        asked = self._asked.get(trial_id)  # none after the trial ended
        if asked and len(self._objectives) == 1 and result.get("epochs", 0) > self._reported[trial_id]:
            self._reported[trial_id] = result["epochs"]
            asked.report(result["lwlrap"], result["epochs"])

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Report the end of a trial to the study; only the first, where a trial is started and ends again."""
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
