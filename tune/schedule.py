"""What a trial of a population was trained with, epoch by epoch, and how it takes over another one's weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tagging.contract import File, Kind, Tag
from tagging.errors import UserError
from tagging.tracking.place import work_folder
from tagging.tracking.store import Run, Store
from tune.records import TrialRecord, chosen_values

if TYPE_CHECKING:
    from tagging.training.checkpoint import Checkpoints


def take_over(store: Store, sweep_id: str, number: int, donor: int, epoch: int, tags: Mapping[str, str]) -> None:
    """Have a trial go on after `epoch` with the weights of another one, and say so in its run.

    `tags` are those of its new values. Done twice, it is as done once. Raises UserError where the
    checkpoint of one of the two is not here.
    """
    runs = {run.number(Tag.TRIAL_NUMBER): run for run in store.children(sweep_id, Kind.TRIAL)}
    run = runs[number]
    own, donors = _checkpoints(store, run), _checkpoints(store, runs[donor])
    for folder in (own.folder, donors.folder):
        if not folder.is_dir():
            raise UserError(
                f"{folder} is not there: a population's weights pass from trial to trial on the machine that gave the "
                "command, which must share that folder with those that train (docs/cluster.md)"
            )
    entries = [entry for entry in schedule(store, run) if entry["after"] < epoch]
    entries.append({"after": epoch, "weights_of": donor, "values": json.loads(tags[Tag.TRIAL_VALUES])})
    store.log_json(run.id, entries, File.SCHEDULE)
    own.adopt(donors)
    store.set_tags(run.id, {**tags, Tag.TRIAL_EXCHANGES: len(entries) - 1})


def schedule(store: Store, run: Run) -> list[dict[str, Any]]:
    """Return the values of a trial by the epoch `after` which they hold, in order, and whose weights came with them."""
    if not store.has_file(run.id, File.SCHEDULE):
        return [{"after": 0, "weights_of": None, "values": chosen_values(run)}]
    with store.reading(run.id, File.SCHEDULE) as local:
        entries = json.loads(local.read_bytes())
        if not entries or not all(isinstance(entry["after"], int) and dict(entry["values"]) for entry in entries):
            raise ValueError("it holds no values by epoch")
    return list(entries)


def values_at(entries: Iterable[Mapping[str, Any]], epoch: int) -> dict[str, float]:
    """Return the values with which an epoch, counted from 1, was trained, under the names of their metrics."""
    held = [entry["values"] for entry in entries if entry["after"] < epoch]
    return {f"value/{path}": float(value) for path, value in held[-1].items()}


def exchanged(store: Store, trials: Iterable[TrialRecord], interval: int, last_epoch: int) -> int:
    """Return after which epoch the last exchange is over, of a population that goes on; 0 if none is.

    An exchange is over where a trial went on after it; else it comes again, to the same result.
    """
    trials = list(trials)
    begun = [_epochs(store, trial) for trial in trials if trial.broken_off]
    final = max(last_epoch - 1, 0) // interval * interval
    # those who went on may have come to their end, and would be missed in an exchange that came again
    if begun and min(begun) >= final and any(trial.state == "FINISHED" for trial in trials):
        return final
    return max(max(begun, default=0) - 1, 0) // interval * interval


def _epochs(store: Store, trial: TrialRecord) -> int:
    run = store.get(trial.run_id)
    return len(_checkpoints(store, run).history()) if store.children(run.id) else 0


def _checkpoints(store: Store, trial: Run) -> Checkpoints:
    fold = store.children(trial.id)[-1]  # the one fold of such a trial
    from tagging.training.checkpoint import Checkpoints  # with torch

    return Checkpoints(work_folder() / fold.id)
