"""The report of a sweep in HTML: how it was searched, what decides the score, and what to try next."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from tagging.report import charts
from tagging.report.html import html_page
from tagging.report.wording import count
from tagging.runs.stored import stored_recipe
from tagging.tracking.store import Run, Store
from tune.advice import FEW, edge_words, edges, how_searched, log_scaled, range_words, what_next
from tune.figures import COSTS, SCORE, STATES, by_state
from tune.records import TrialRecord, kind_of_error, ranked, words
from tune.scales import norm_of, number_ticks, scales
from tune.schema import Bounds, Space
from tune.study import front, importance

COLOURS = {name: style["color"] for name, style in STATES.values()}


def sweep_page(store: Store, sweep: Run, trials: Sequence[TrialRecord], space: Space, kept: Mapping[str, Any]) -> str:
    """Return the report of a sweep in HTML.

    `trials`: all, in the order of their numbers; `kept`: the content of `space.json` of its run, of which commands are
    made. Raises UserError where the config of the best trial is damaged.
    """
    scored = ranked(trials)
    log = log_scaled(space)
    shares = importance([trial for trial in trials if trial.finished], log)
    on_edge = edges(space, trials, stored_recipe(store, store.get(scored[0].run_id))) if scored else []
    return html_page(
        "sweep",
        sweep=sweep,
        notes=space.notes,
        how=how_searched(space),
        ranges=[(path, range_words(bounds), _tried(trials, path)) for path, bounds in space.space.items()],
        best=scored[0] if scored else None,
        second=scored[1] if len(scored) > 1 else None,
        median=statistics.median([trial.lwlrap or 0 for trial in scored]) if scored else None,
        states=[(name, len(group)) for name, group in _groups(trials).items()],
        on_edge=[edge_words(edge) for edge in on_edge],
        next=what_next(sweep, space, trials, kept, on_edge, shares),
        history=charts.best_so_far(_rows(trials), _best_so_far(trials), COLOURS, SCORE),
        parallel=_parallel(trials, log),
        importance=charts.bars(_shares(shares), "field", "share", "share of the variance of lwlrap"),
        shares=shares,
        hint=_hint(shares, len(scored)),
        slices=_slices(trials, space, log),
        fronts=_fronts(trials, space.objectives),
        errors=_errors(trials),
        pruned=[trial for trial in trials if trial.state == "PRUNED"],
        fields=list(dict.fromkeys(field for trial in trials for field in trial.values)),
        rows=[*scored, *(trial for trial in trials if not trial.finished)],
        state_of={state: name for state, (name, _) in STATES.items()},
        words=words,
    )


def _groups(trials: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    return {STATES[state][0]: group for state, group in by_state(trials).items()}


def _rows(trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return a row a trial for a chart, with its values in words."""
    return [
        {
            "trial": trial.number,
            "lwlrap": trial.lwlrap,
            "state": STATES[trial.state][0],
            "values": "  ".join(f"{field}={words(value)}" for field, value in trial.values.items()),
            "parameters": trial.parameters,
            "seconds": trial.seconds,
        }
        for trial in trials
    ]


def _best_so_far(trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    finished = [trial for trial in trials if trial.finished]
    tops = accumulate((trial.lwlrap or 0 for trial in finished), max)
    rows = [{"trial": trial.number, "lwlrap": top} for trial, top in zip(finished, tops, strict=True)]
    # up to the last trial, even if that one was stopped
    return [*rows, {**rows[-1], "trial": trials[-1].number}] if rows else []


def _tried(trials: Sequence[TrialRecord], field: str) -> str:
    """Return the lowest and the highest value that was tried, or how many of other values; empty without one."""
    values = [trial.values[field] for trial in trials if field in trial.values]
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return f"{words(min(values))} to {words(max(values))}"
    return count(len(set(map(words, values))), "value") if values else ""


def _shares(shares: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"field": field, "share": share} for field, share in shares.items()]


def _hint(shares: Mapping[str, float], finished: int) -> str:
    """Return in a sentence what the importances are, or why there are none."""
    if not shares:
        return (
            f"Too few to tell: {count(finished, 'finished trial')}; two or more with different values and different "
            "lwlrap are needed."
        )
    few = ": few, so a hint at most" if finished < FEW * len(shares) else ""
    over = count(finished, "finished trial")
    return f"The share of each field in the variance of lwlrap, by fANOVA over {over}{few}."


def _parallel(trials: Sequence[TrialRecord], log: Sequence[str]) -> charts.Chart:
    """Return each trial as a line through its values and its score."""
    drawn = scales(trials, log)
    score = norm_of([trial.lwlrap for trial in trials if trial.lwlrap is not None] or [0, 1])
    rows, ticks = [], []
    for trial in sorted(trials, key=lambda trial: (trial.finished, trial.lwlrap or 0)):  # the best on top of the others
        shown = {"trial": trial.number, "lwlrap": trial.lwlrap, "state": STATES[trial.state][0]}
        for scale in drawn:
            if scale.field in trial.values:
                value = words(trial.values[scale.field])
                rows.append({**shown, "axis": scale.name, "height": scale.height(trial), "value": value})
        if trial.lwlrap is not None:
            height = float(score(trial.lwlrap))
            rows.append({**shown, "axis": SCORE, "height": height, "value": f"{trial.lwlrap:.4f}"})
    for scale in drawn:
        ticks += [
            {"axis": scale.name, "height": float(scale.norm(place)), "text": text.replace("\n", " ")}
            for place, text in scale.ticks()
        ]
    scores = [trial.lwlrap for trial in trials if trial.lwlrap is not None]
    ticks += [
        {"axis": SCORE, "height": float(score(place)), "text": text}
        for place, text in (number_ticks(score, scores) if scores else [])
    ]
    return charts.parallel(rows, ticks, [*(scale.name for scale in drawn), SCORE])


def _slices(trials: Sequence[TrialRecord], space: Space, log: Sequence[str]) -> list[tuple[str, charts.Chart]]:
    """Return each field with a chart of the score against it, over the whole range that was searched."""
    scored = [trial for trial in trials if trial.lwlrap is not None]
    made = []
    for scale in scales(scored, log):
        rows = [
            {**row, "value": words(trial.values[scale.field]) if scale.choices else trial.values[scale.field]}
            for row, trial in zip(_rows(scored), scored, strict=True)
            if scale.field in trial.values
        ]
        chart = charts.scatter(
            rows, "value", "lwlrap", (scale.field, "lwlrap"), ["trial", "value", "lwlrap", "state"], scale.log, COLOURS
        )
        bounds = space.space.get(scale.field)
        if isinstance(bounds, Bounds) and not scale.choices:
            chart["encoding"]["x"]["scale"]["domain"] = [bounds.low, bounds.high]
        made.append((scale.name, chart))
    return made


def _fronts(trials: Sequence[TrialRecord], objectives: Sequence[str]) -> list[tuple[str, charts.Chart]]:
    """Return for each objective beside lwlrap a chart of the finished trials, those of the front named so."""
    costs = [cost for cost in objectives if cost != "lwlrap"]
    finished = [trial for trial in trials if trial.finished]
    if not costs or not finished:
        return []
    best = {trial.number for trial in front(trials, objectives)}
    rows = [{**row, "state": "front" if row["trial"] in best else "finished"} for row in _rows(finished)]
    colours = {"front": COLOURS["finished"], "finished": COLOURS["pruned"]}
    tooltip = ["trial", "lwlrap", "values"]
    return [
        (COSTS[cost], charts.scatter(rows, cost, "lwlrap", (COSTS[cost], "lwlrap"), [*tooltip, cost], colours=colours))
        for cost in costs
    ]


def _errors(trials: Sequence[TrialRecord]) -> list[tuple[str, list[int]]]:
    """Return the first line of each kind of error with the numbers of its trials, the most common kind first."""
    kinds: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        if trial.error:
            kinds.setdefault(kind_of_error(trial.error), []).append(trial)
    return [
        (group[0].error.strip().splitlines()[0], [trial.number for trial in group])
        for group in sorted(kinds.values(), key=len, reverse=True)
    ]
