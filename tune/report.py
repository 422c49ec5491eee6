"""The results of a sweep in its run: the table of its trials, pictures, the best experiment, and its page."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tagging.contract import File, Kind, Tag
from tagging.errors import UserError, room_in
from tagging.progress import say
from tagging.report.pages import page
from tagging.runs.finished import open_store
from tagging.tracking.store import Run, Store
from tune import figures
from tune.advice import log_scaled
from tune.page import sweep_page
from tune.promote import experiment_text
from tune.records import TrialRecord, best, columns, common_error, kept_space, ranked, records, words
from tune.schema import Space
from tune.study import front


def summarise_sweep(
    store: Store,
    sweep: Run,
    trials: Sequence[TrialRecord],
    space: Space,
    kept: Mapping[str, Any],
) -> None:
    """Log table, pictures, numbers, report and description to the sweep's run; a sweep that is resumed replaces them.

    `kept`: the content of `space.json` of the run. `experiment.yaml` and `best_lwlrap` need a finished trial.
    """
    logarithmic, objectives = log_scaled(space), space.objectives
    store.log_shown_table(sweep.id, trial_table(trials), "tables/trials.parquet")
    pictures = {
        "history": figures.history(sweep.name, trials),
        "parallel_coordinates": figures.parallel_coordinates(sweep.name, trials, logarithmic),
        "importance": figures.importances(sweep.name, trials, logarithmic),
        "slices": figures.slices(sweep.name, trials, logarithmic),
    }
    for cost in objectives:
        if cost != "lwlrap":
            pictures[f"front_{cost}"] = figures.front_picture(sweep.name, trials, objectives, cost)
    for name, picture in pictures.items():
        store.log_figure(sweep.id, picture, f"figures/{name}.png")
    states = Counter(trial.state for trial in trials)
    metrics = {f"trials_{state.lower()}": float(states[state]) for state in ("FINISHED", "PRUNED", "FAILED")}
    top = best(trials)
    if top is not None and top.lwlrap is not None:
        metrics["best_lwlrap"] = top.lwlrap
    if top is not None and not top.exchanges:
        store.log_text(sweep.id, experiment_text(store, sweep, trials, top), "experiment.yaml")
    store.log_metrics(sweep.id, metrics)
    store.log_text(sweep.id, sweep_page(store, sweep, trials, space, kept), File.REPORT)
    store.set_tags(sweep.id, {Tag.NOTE: describe_sweep(sweep, trials, objectives, space.notes)})


def report_again(sweep_text: str, out: Path | None) -> None:
    """Make the report of a sweep again from the store, into its run or, as ID.html, into the folder `out`.

    Raises UserError for a run that is no sweep, and for a damaged `space.json`.
    """
    store = open_store()
    sweep = store.resolve(sweep_text, kinds=(Kind.SWEEP,), unfinished=True)
    if sweep.kind != Kind.SWEEP:
        raise UserError(f"{sweep.title} is of kind {sweep.kind or '-'}; `python -m tagging report` makes its report")
    kept = kept_space(store, sweep)
    html = sweep_page(store, sweep, records(store, sweep), Space.model_validate(kept["space"]), kept)
    if out is None:
        store.log_text(sweep.id, html, File.REPORT)
        say(f"{sweep.title}: {File.REPORT} is among its files")
        say(store.where_to_look(sweep))
        return
    path = out / f"{sweep.id[:8]}.html"
    with room_in(out):
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(html, "utf-8")
    say(f"{sweep.title}: wrote {path}")


def trial_table(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row a trial: its record, with a column for each searched field.

    A field whose values are not all numbers is text, a section its JSON.
    """

    def kept(*names: str) -> dict[str, list[Any]]:
        return {name: [getattr(trial, name) for trial in trials] for name in names}

    scores = kept("lwlrap", "cv_lwlrap").items()
    return pd.DataFrame(
        {
            **kept("number", "run_id", "state"),
            **columns(trials),
            **{name: pd.array(values, dtype="Float64") for name, values in scores},
            **kept("epochs", "seconds", "parameters", "error"),
        }
    )


def describe_sweep(
    sweep: Run, trials: Sequence[TrialRecord], objectives: Sequence[str] = ("lwlrap",), notes: str = ""
) -> str:
    """Return the sweep's description in Markdown, with the space's notes below its head."""
    scored = ranked(trials)
    top = next(iter(scored), None)
    return page(
        "sweep",
        run=sweep.id[:8],  # several sweeps may share a name
        trials=trials,
        top=top,
        second=scored[1] if len(scored) > 1 else None,
        median=statistics.median([trial.lwlrap or 0 for trial in scored]) if scored else None,
        values=" ".join(f"{field}={words(value)}" for field, value in top.values.items()) if top else "",
        front=front(trials, objectives) if top and len(objectives) > 1 else [],
        objectives=objectives,
        states=[f"{len(group)} {figures.STATES[state][0]}" for state, group in figures.by_state(trials).items()],
        error=common_error(trials),
        notes=notes,
        space=sweep.tags.get("space", ""),
        experiment=sweep.tags.get(Tag.SPACE_EXPERIMENT, ""),
        report=sweep.report_link,
        words=words,
        link=lambda trial: f"[trial {trial.number}](#/experiments/{sweep.experiment_id}/runs/{trial.run_id})",
    )
