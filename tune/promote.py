"""From a trial of a sweep to an experiment file: its base, notes on its sweep, and the fields that it changes."""

from __future__ import annotations

import re
import shlex
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tagging import project
from tagging.config import AnyRecipe
from tagging.config.load import find, flatten, leaf_text, load
from tagging.config.sections.data import FolderData
from tagging.config.tree import read_overrides, with_new_names
from tagging.contract import Kind, Tag
from tagging.errors import UserError
from tagging.report.wording import count
from tagging.runs.stored import stored_recipe
from tagging.tracking.store import Run, Store
from tune.records import TrialRecord, best, records

# fields that need not be equal: names, where the trial ran, its data, the runs that a stacker learns from
NOT_PROMOTED = frozenset(
    {"name", "notes", "device", "threads", "training.folds", "data.kind", "data.folder", "data.name", "members"}
)


def promote(
    store: Store, sweep_text: str, trial: str = "best", name: str = "", folder: Path | None = None
) -> tuple[Path, str]:
    """Write a trial of a sweep as an experiment file; return its path and the command that trains it on the same data.

    `sweep_text` is an id, the beginning of one, or a name; `trial` a number or `best`; an empty `name` becomes
    SWEEP_NUMBER. The file resolves to the trial's own settings, except for NOT_PROMOTED. Raises UserError, and leaves
    no file, for a run that is no sweep, an unknown trial, a name that is taken or is no file name, and a base that is
    missing or was changed since.
    """
    folder = folder or project.experiments()
    sweep = store.resolve(sweep_text, kinds=(Kind.SWEEP,), unfinished=True)
    if sweep.kind != Kind.SWEEP:
        raise UserError(f"{sweep_text}: run {sweep.name} ({sweep.id}) is of kind {sweep.kind or '-'}; give a sweep")
    trials = records(store, sweep)
    chosen = _chosen(sweep, trials, trial)
    if chosen.exchanges:
        raise UserError(
            f"trial {chosen.number} of sweep {sweep.name} ({sweep.id}) changed its values while it trained "
            "(scheduler.kind pbt), which no experiment's file can hold; schedule.json of its run "
            f"{chosen.run_id} has them by epoch, and `python -m tagging predict --run {chosen.run_id[:8]} FOLDER` tags "
            "with its network"
        )
    if name and not re.fullmatch(r"[\w-]+", name):
        raise UserError(f"--name {name}: the name of an experiment is made of letters, digits, _ and -")
    name = name or re.sub(r"[^\w-]+", "_", f"{sweep.name}_{chosen.number}")
    path = folder / f"{name}.yaml"
    base = find(sweep.tag(Tag.SPACE_EXPERIMENT), folder)
    text = experiment_text(store, sweep, trials, chosen)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path} is there already; give another --name, or remove the file") from None
    try:
        written, trained = load(path, folder=folder), stored_recipe(store, store.get(chosen.run_id))
        _compare(written, trained, base, chosen)
    except UserError:
        path.unlink()
        raise
    data = ""
    if isinstance(trained.data, FolderData) and trained.data != written.data:
        data = f" --data {shlex.quote(trained.data.folder)}"
    return path, f"python -m tagging train {path.stem}{data}"


def experiment_text(store: Store, sweep: Run, trials: Sequence[TrialRecord], chosen: TrialRecord) -> str:
    """Return a trial as an experiment file: base, notes on its sweep, and the fields that it changes."""
    run = store.get(chosen.run_id)
    overrides = with_new_names(read_overrides([run.tag(Tag.TRIAL_OVERRIDES)])[0])
    changes = _picked(stored_recipe(store, run).model_dump(mode="json"), overrides)
    # as wide as the project's experiments
    notes = textwrap.fill(_notes(sweep, trials, chosen), 118, break_long_words=False, break_on_hyphens=False)
    # name or path without its suffix
    base = sweep.tag(Tag.SPACE_EXPERIMENT).removeprefix(f"{project.experiments()}/").removesuffix(".yaml")
    head = yaml.safe_dump({"base": base}) + f"notes: >-\n{textwrap.indent(notes, '  ')}\n"
    body = yaml.safe_dump(changes, sort_keys=False, allow_unicode=True, width=100) if changes else ""
    return head + body


def _chosen(sweep: Run, trials: list[TrialRecord], text: str) -> TrialRecord:
    known = ", ".join(str(trial.number) for trial in trials) or "none"
    where = f"sweep {sweep.name} ({sweep.id})"
    named = best(trials) if text == "best" else next((trial for trial in trials if str(trial.number) == text), None)
    if named is not None:
        return named
    if text != "best":
        raise UserError(f"--trial {text}: {where} has no such trial; give best or one of: {known}")
    hint = f"its trials are {known}. Give --trial a number, or continue" if trials else "it has no trials. Continue"
    raise UserError(f"{where} has no finished trial; {hint} it: python -m tune search --resume {sweep.id[:8]}")


def _picked(values: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values, at any depth, that have a key in `wanted`."""
    return {
        key: _picked(value, wanted[key]) if isinstance(value, dict) else value
        for key, value in values.items()
        if key in wanted
    }


def _notes(sweep: Run, trials: Sequence[TrialRecord], chosen: TrialRecord) -> str:
    finished = sum(trial.state == "FINISHED" for trial in trials)
    top = best(trials)
    place = "the best" if chosen == top else "one" if chosen.state == "FINISHED" else f"one ({chosen.state})"
    score = "no score" if chosen.lwlrap is None else f"search_lwlrap {chosen.lwlrap:.4f}"
    if chosen.cv_lwlrap is not None:
        score += f", cv_lwlrap {chosen.cv_lwlrap:.4f}"
    if top is not None and chosen != top:
        score += f" (the best, trial {top.number}, has {top.lwlrap:.4f})"
    day = time.strftime("%Y-%m-%d", time.localtime(sweep.start_time / 1000))
    return (
        f"Trial {chosen.number} of the sweep {sweep.name} ({sweep.id}) of {day} on {sweep.dataset}: {score}; "
        f"{place} of {count(len(trials), 'trial')}, {finished} of them finished."
    )


def _compare(written: AnyRecipe, trial: AnyRecipe, base: Path, chosen: TrialRecord) -> None:
    """Raise UserError where the file does not give the trial's settings: its base was changed since the sweep."""
    ours, theirs = (
        {path: leaf_text(value) for path, value in flatten(recipe).items() if path not in NOT_PROMOTED}
        for recipe in (written, trial)
    )
    differ = {path: (ours.get(path, "absent"), theirs.get(path, "absent")) for path in theirs | ours}
    lines = [
        f"  {path} is {own} by the file and {his} in the trial" for path, (own, his) in differ.items() if own != his
    ]
    if lines:
        raise UserError(
            f"{base} was changed since the sweep, so that trial {chosen.number} does not follow from it any more:",
            *lines,
            f"take the change back, or copy config.yaml of run {chosen.run_id}, which holds every field",
        )
