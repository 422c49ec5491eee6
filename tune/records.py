"""The trials of a sweep as the store has them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tagging.contract import Kind, Metric, Tag
from tagging.errors import UserError
from tagging.tracking.store import Run, Store

# runs and numbers: two learning rates may fail alike
_OF_ONE = re.compile(r"\b[0-9a-f]{10,}\b|\d[\d.e+-]*|\b(nan|inf)\b")


@dataclass(frozen=True)
class TrialRecord:
    """One trial: `state` is FINISHED, PRUNED, FAILED, KILLED or RUNNING; scores are None before the first epoch.

    `values` maps the searched fields to what was chosen. `lwlrap` is what the search compares (search_lwlrap),
    `cv_lwlrap` is there for trials over all folds; `epochs` counts those of all folds, `seconds` is the time
    of their training steps, over all starts, `parameters` those of the network (0 where not counted), `exchanges` how
    often it took over weights and changed its values, of which `values` are the last then.
    """

    number: int
    run_id: str
    state: str
    values: Mapping[str, Any]
    lwlrap: float | None
    cv_lwlrap: float | None
    epochs: int
    seconds: float
    error: str
    parameters: int = 0
    exchanges: int = 0

    @property
    def broken_off(self) -> bool:
        """Whether it is to go on with the sweep."""
        return self.state in ("KILLED", "RUNNING")


def records(store: Store, sweep: Run) -> list[TrialRecord]:
    """Return the trials of a sweep in the order of their numbers."""
    found = [_record(run) for run in store.children(sweep.id, Kind.TRIAL)]
    return sorted(found, key=lambda record: record.number)


def ranked(trials: list[TrialRecord]) -> list[TrialRecord]:
    """Return the finished trials with a score, the highest first, the earliest of equals first."""
    scored = [trial for trial in trials if trial.state == "FINISHED" and trial.lwlrap is not None]
    return sorted(scored, key=lambda trial: (-(trial.lwlrap or 0.0), trial.number))


def best(trials: list[TrialRecord]) -> TrialRecord | None:
    """Return the first of the ranked trials; None without one."""
    return next(iter(ranked(trials)), None)


def kind_of_error(text: str) -> str:
    """Return an error without what belongs to one trial, so that trials that failed alike have equal texts."""
    return _OF_ONE.sub("#", text)


def common_error(trials: Sequence[TrialRecord]) -> tuple[str, str] | None:
    """Return the most common error, as the first line of the first trial that had it, and how common it is: `3 of 4`.

    Trials without an error are not counted; None where no trial has one.
    """
    errors = [trial.error for trial in trials if trial.error]
    if not errors:
        return None
    kinds = [kind_of_error(error) for error in errors]
    ((kind, times),) = Counter(kinds).most_common(1)
    return errors[kinds.index(kind)].strip().splitlines()[0], f"{times} of {len(errors)}"


def _record(run: Run) -> TrialRecord:
    return TrialRecord(
        number=run.number(Tag.TRIAL_NUMBER),
        run_id=run.id,
        state="PRUNED" if run.tags.get(Tag.STATE) == "PRUNED" else run.status,
        values=chosen_values(run),
        lwlrap=run.metrics.get(Metric.SEARCH_LWLRAP),
        cv_lwlrap=run.metrics.get(Metric.CV_LWLRAP),
        epochs=int(run.metrics.get(Metric.TRIAL_EPOCHS, 0)),
        seconds=run.metrics.get(Metric.TRIAL_SECONDS, 0.0),
        parameters=int(run.metrics.get("parameters", 0)),
        error=run.tags.get(Tag.ERROR, ""),
        exchanges=run.number(Tag.TRIAL_EXCHANGES) if Tag.TRIAL_EXCHANGES in run.tags else 0,
    )


def chosen_values(run: Run) -> dict[str, Any]:
    """Return the values of a trial by searched field; UserError where its tag does not say them."""
    try:
        values = json.loads(run.tag(Tag.TRIAL_VALUES))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise UserError(f"{run.title}: its tag trial.values holds no values by field; set it right in the UI")
    return values
