"""The results of a sweep in its run: the table of its trials, pictures, the best experiment, and its page."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from tagging.contract import Tag
from tagging.report.pages import page
from tagging.tracking.store import Run, Store
from tune import figures
from tune.promote import experiment_text
from tune.records import TrialRecord, best, columns, common_error, ranked, words
from tune.searcher import front


def summarise_sweep(
    store: Store,
    sweep: Run,
    trials: Sequence[TrialRecord],
    log_scaled: Collection[str],
    objectives: Sequence[str] = ("lwlrap",),
    notes: str = "",
) -> None:
    """Log table, pictures, numbers and page to the sweep's run; a sweep that is resumed replaces them.

    `log_scaled` are the searched fields with a logarithmic axis; a front is drawn for each of several `objectives`;
    `notes` are those of the space. `experiment.yaml` and `best_lwlrap` need a finished trial.
    """
    store.log_shown_table(sweep.id, trial_table(trials), "tables/trials.parquet")
    pictures = {
        "history": figures.history(sweep.name, trials),
        "parallel_coordinates": figures.parallel_coordinates(sweep.name, trials, log_scaled),
        "importance": figures.importances(sweep.name, trials, log_scaled),
        "slices": figures.slices(sweep.name, trials, log_scaled),
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
    store.set_tags(sweep.id, {Tag.NOTE: describe_sweep(sweep, trials, objectives, notes)})


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
        words=words,
        link=lambda trial: f"[trial {trial.number}](#/experiments/{sweep.experiment_id}/runs/{trial.run_id})",
    )
