"""The trials of a sweep as the store has them, and their values as numbers and texts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from tagging.config.load import leaf_text
from tagging.contract import File, Kind, Metric, Tag
from tagging.errors import UserError
from tagging.report.pages import Linked, page

if TYPE_CHECKING:  # a space is checked before MLflow is imported
    from tagging.tracking.store import Run, Store

# ids of runs and numbers: the errors of two learning rates differ in these alone
_OF_ONE_TRIAL = re.compile(r"\b[0-9a-f]{10,}\b|\d[\d.e+-]*|\b(nan|inf)\b")


@dataclass(frozen=True)
class TrialRecord:
    """One trial: `state` is FINISHED, PRUNED, FAILED, KILLED or RUNNING; scores are None before the first epoch.

    `values` maps searched fields to their values, in a population to the last ones. `lwlrap` is the score that the
    search compares (search_lwlrap); trials over all folds have `cv_lwlrap` too. `epochs` and `seconds` (of training
    steps) are sums over all folds and all starts. `parameters` is the size of the network, 0 where it was not counted;
    `exchanges` is how often the trial took over weights from another one.
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
    def finished(self) -> bool:
        """Whether it was trained to its end and has a score."""
        return self.state == "FINISHED" and self.lwlrap is not None

    @property
    def interrupted(self) -> bool:
        """Whether `--resume` continues it."""
        return self.state in ("KILLED", "RUNNING")


def records(store: Store, sweep: Run) -> list[TrialRecord]:
    """Return the trials of a sweep in the order of their numbers."""
    found = [
        TrialRecord(
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
        for run in store.children(sweep.id, Kind.TRIAL)
    ]
    return sorted(found, key=lambda record: record.number)


def trial_page(run: Run, sweep: Run, state: str) -> str:
    """Return the description of a trial in Markdown; `state` is RUNNING, or how it ended: FINISHED, PRUNED, …"""
    return page(
        "trial",
        number=run.tags.get(Tag.TRIAL_NUMBER, ""),
        sweep=Linked(sweep.name, sweep.link),
        sweep_id=sweep.id[:8],
        base=run.tags.get(Tag.BASE, ""),
        differs=run.tags.get(Tag.DIFFERS, ""),
        state=state,
        epochs=int(run.metrics.get(Metric.TRIAL_EPOCHS, 0)),
        lwlrap=run.metrics.get(Metric.SEARCH_LWLRAP),
        error=run.tags.get(Tag.ERROR, ""),
        exchanges=run.tags.get(Tag.TRIAL_EXCHANGES, ""),
    )


def kept_space(store: Store, sweep: Run) -> dict[str, Any]:
    """Return what a sweep's run keeps of its beginning in `space.json`; UserError where it is damaged.

    `space` holds every field of the space, `data` the folder of the data set or nothing; `file`, that of the space, and
    `given`, the fields of the command line, are missing in a sweep of an earlier version.
    """
    with store.reading(sweep.id, File.SPACE) as local:
        kept = json.loads(local.read_bytes())
        if not isinstance(kept, dict) or not isinstance(kept.get("space"), dict) or "data" not in kept:
            raise ValueError("it holds no space")
    return kept


def chosen_values(run: Run) -> dict[str, Any]:
    """Return the values of a trial's run by searched field; UserError where its tag does not hold them."""
    try:
        values = json.loads(run.tag(Tag.TRIAL_VALUES))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise UserError(f"{run.title}: its tag trial.values holds no values by field; set it right in the UI")
    return values


def ranked(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the finished trials, the highest score first, the earliest of equals first."""
    return sorted((trial for trial in trials if trial.finished), key=lambda trial: (-(trial.lwlrap or 0), trial.number))


def best(trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the finished trial with the highest score; None without one."""
    return next(iter(ranked(trials)), None)


def kind_of_error(text: str) -> str:
    """Return an error without ids and numbers, so that trials that failed for the same reason have equal texts."""
    return _OF_ONE_TRIAL.sub("#", text)


def common_error(trials: Sequence[TrialRecord]) -> tuple[str, str] | None:
    """Return the first line of the most common error, and how common it is (`3 of 4`); None without an error."""
    errors = [trial.error for trial in trials if trial.error]
    if not errors:
        return None
    kinds = [kind_of_error(error) for error in errors]
    ((kind, times),) = Counter(kinds).most_common(1)
    return errors[kinds.index(kind)].strip().splitlines()[0], f"{times} of {len(errors)}"


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def columns(trials: Sequence[TrialRecord]) -> dict[str, list[float] | list[str]]:
    """Return the trials' values of each searched field: as numbers if all are, else as texts; a section is its JSON."""
    found: dict[str, list[float] | list[str]] = {}
    for field in dict.fromkeys(field for trial in trials for field in trial.values):
        chosen = [trial.values.get(field) for trial in trials]
        numbers = [float(value) for value in chosen if is_number(value)]
        found[field] = numbers if len(numbers) == len(chosen) else [leaf_text(value) for value in chosen]
    return found


def words(value: object) -> str:
    """Return a value for people: numbers of four digits, a section as `cosine, first 6`."""
    if is_number(value):
        return f"{value:.4g}"
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, dict):
        kind = [str(value["kind"])] if "kind" in value else []
        return ", ".join(kind + [f"{key} {words(inner)}" for key, inner in value.items() if key != "kind"])
    return leaf_text(value)
