"""A sweep in words: how its space was searched, where the best values lie, and what to try next."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagging import project
from tagging.config import AnyRecipe
from tagging.config.load import leaf_text, override
from tagging.errors import UserError
from tagging.report.wording import count
from tagging.tracking.store import Run
from tune.records import TrialRecord, is_number, ranked, words
from tune.schema import Asha, Bounds, Choice, Int, LogUniform, Median, Pbt, Range, Space, Tpe, Uniform
from tune.space import searched, trials_of

Numbers = Uniform | LogUniform | Int
AT_THE_END = 0.05  # of a range
BEYOND = (0.5, 0.25, 0.1)  # of a range: how far to widen it, the first that the experiment's schema allows
FEW = 10  # finished trials a field: with less, an importance is a hint at most
LITTLE = 0.02  # of the variance of the scores
TOP = 3  # trials to train again with other seeds


@dataclass(frozen=True)
class Edge:
    """A field whose best value lies at an end of its range, `lower` or `upper`.

    `also` of the `of` best trials have a value there; `wider` is a wider range, None where the experiment's schema
    allows none.
    """

    field: str
    end: str
    bounds: Numbers
    value: float
    also: int
    of: int
    wider: Numbers | None


@dataclass(frozen=True)
class Step:
    """What to try next: a sentence on why, and the lines to write or to run, none where there are none."""

    why: str
    lines: Sequence[str] = ()


def log_scaled(space: Space) -> list[str]:
    """Return the searched fields whose values are drawn on a logarithmic scale."""
    return [path for path, bounds in space.space.items() if _is_log(bounds)]


def range_words(bounds: Range) -> str:
    """Return a range for people: `0.0001 to 0.003, logarithmic`."""
    if isinstance(bounds, Choice):
        return "one of " + "; ".join(words(option) for option in bounds.options)
    if not isinstance(bounds, Bounds):
        return f"what {', '.join(bounds.of)} leave to 1"
    step = f", in steps of {bounds.step}" if isinstance(bounds, Int) and bounds.step > 1 else ""
    whole = ", whole numbers" if isinstance(bounds, Int) else ""
    return f"{bounds.low:g} to {bounds.high:g}{whole}{step}{', logarithmic' if _is_log(bounds) else ''}"


def how_searched(space: Space) -> str:
    """Return in sentences which values were tried on what, and what stopped trials early."""
    numbers = ", ".join(map(str, space.folds))
    folds = f"fold{'s' if len(space.folds) > 1 else ''} {numbers}" if space.folds else "all folds"
    parts = [f"Up to {count(trials_of(space), 'trial')} of {Path(space.experiment).stem}, each on {folds}."]
    if isinstance(space.searcher, Tpe):
        parts.append(
            f"Optuna's TPE chose the values: the first {space.searcher.startup} at random, later ones by the scores of "
            "earlier ones."
        )
    else:
        grid = space.searcher.kind == "grid"
        parts.append("Every combination of the values once." if grid else "The values were drawn at random.")
    if isinstance(space.scheduler, Asha):
        parts.append(
            f"ASHA stopped trials from epoch {space.scheduler.grace} on: at each rung one in "
            f"{space.scheduler.reduction} continued."
        )
    elif isinstance(space.scheduler, Median):
        parts.append(
            f"From epoch {space.scheduler.grace} on, a trial stopped where it was worse than the median of the others."
        )
    elif isinstance(space.scheduler, Pbt):
        parts.append(
            f"A population: every {count(space.scheduler.interval, 'epoch')} the worst trials took over weights and "
            "values of the best, and moved the values."
        )
    if len(space.objectives) > 1:
        parts.append(f"Searched for a front of {' and '.join(space.objectives)}.")
    if space.set:
        parts.append(f"All trials have {' '.join(f'{path}={value}' for path, value in space.set.items())}.")
    return " ".join(parts)


def search_command(kept: Mapping[str, Any], name: str) -> str:
    """Return the command that begins a sweep anew under a name, from `space.json` of the sweep's run.

    Empty for a sweep of an earlier version, which does not name the file of its space.
    """
    if "given" not in kept:
        return ""
    file, given = Path(kept["file"]), kept["given"]
    options = [f"--{key}={given[key]}" for key in ("experiment", "seed", "trials") if key in given]
    options += [f"--data={kept['data']}"] if kept["data"] else []
    options += [f"--folds={','.join(map(str, given['folds'])) or 'all'}"] if "folds" in given else []
    options += [f"--{key.replace('_', '-')}={value}" for key, value in given.get("resources", {}).items()]
    fixed = [f"{path}={value}" for path, value in given.get("set", {}).items()]
    own = file.parent == project.root() / "tune" / "spaces"
    command = ["python", "-m", "tune", "search", file.stem if own else str(file), f"--name={name}", *options]
    return shlex.join([*command, *(["--set", *fixed] if fixed else [])])


def edges(space: Space, trials: Sequence[TrialRecord], recipe: AnyRecipe) -> list[Edge]:
    """Return the fields of which the best finished trial has a value at an end of the range.

    `recipe` is the experiment of the best trial: a range is widened as far as the schema takes its other fields.
    """
    scored = ranked(trials)
    if not scored:
        return []
    top = scored[: max(2, min(5, len(scored) // 4))]
    found = []
    for field, bounds in searched(space).items():
        value = scored[0].values.get(field)
        if not isinstance(bounds, Bounds) or not is_number(value):
            continue
        end = _end(bounds, value)
        if end:
            also = sum(_end(bounds, other) == end for trial in top if is_number(other := trial.values.get(field)))
            wider = _wider(recipe, field, bounds, end)
            found.append(Edge(field, end, bounds, value, also, len(top), wider))
    return found


def edge_words(edge: Edge) -> str:
    """Return a sentence on a best value at an end of its range."""
    others = f"; so do {edge.also} of the best {edge.of}" if edge.also > 1 else ""
    limit = "" if edge.wider else ". The experiment's schema allows nothing beyond"
    return (
        f"The best {edge.field}, {edge.value:.4g}, lies at the {edge.end} end of its range, "
        f"{range_words(edge.bounds)}{others}{limit}."
    )


def what_next(
    sweep: Run,
    space: Space,
    trials: Sequence[TrialRecord],
    kept: Mapping[str, Any],
    on_edge: Sequence[Edge],
    importance: Mapping[str, float],
) -> list[Step]:
    """Return what to try next, the most pressing first."""
    scored = ranked(trials)
    run, steps = sweep.id[:8], []
    if interrupted := sum(trial.interrupted for trial in trials):
        why = f"{count(interrupted, 'trial')} did not come to an end; the same sweep continues."
        steps.append(Step(why, [f"python -m tune search --resume {run}"]))
    if not scored:
        return steps
    wider = {edge.field: edge.wider for edge in on_edge if edge.wider}
    if wider:
        why = f"Widen {', '.join(wider)} in the file of the space, and search again."
        learns = " The new sweep learns from the trials of this one." if space.searcher.learns else ""
        begin = search_command(kept, f"{sweep.name}_wider")
        steps.append(Step(why + learns, [*(_line(*pair) for pair in wider.items()), *([begin] if begin else [])]))
    if space.searcher.kind != "grid" and (why := _why_more(space, trials, scored)):
        more = trials_of(space) + max(10, trials_of(space) // 2)
        steps.append(Step(why, [f"python -m tune search --resume {run} --trials {more}"]))
    if not scored[0].exchanges:
        steps.append(_other_seeds(sweep, scored, kept))
    values = {field: leaf_text(scored[0].values.get(field)) for field, share in importance.items() if share < LITTLE}
    idle = {field: value for field, value in values.items() if not value.startswith("{")}  # a section has no one value
    if idle and len(scored) >= FEW * len(importance):
        due = f"Less than {LITTLE:.0%} of the variance is due to each of {', '.join(idle)}"
        line = ", ".join(f"{field}: {value}" for field, value in idle.items())
        steps.append(Step(f"{due}: fix them, and search the others.", [f"set: {{{line}}}"]))
    return steps


def _is_log(bounds: Range) -> bool:
    return isinstance(bounds, LogUniform) or (isinstance(bounds, Int) and bounds.log)


def _end(bounds: Numbers, value: float) -> str:
    """Return at which end of a range a value lies, `lower` or `upper`; empty for neither."""
    low, high, place = bounds.low, bounds.high, value
    if _is_log(bounds):
        if value <= 0:  # of an edited tag
            return ""
        low, high, place = math.log(low), math.log(high), math.log(value)
    share = (place - low) / (high - low)
    return "lower" if share <= AT_THE_END else "upper" if share >= 1 - AT_THE_END else ""


def _wider(recipe: AnyRecipe, field: str, bounds: Numbers, end: str) -> Numbers | None:
    """Return a range that reaches further at one end, as far as the schema allows; None where nothing beyond is."""
    for share in BEYOND:
        value = _beyond(bounds, end, share)
        try:
            override(recipe, [f"{field}={leaf_text(value)}"])
        except UserError:
            continue
        return bounds.model_copy(update={"low" if end == "lower" else "high": value})
    return None


def _beyond(bounds: Numbers, end: str, share: float) -> float:
    """Return a value that lies a share of the range beyond one of its ends, of two digits or a whole step."""
    sign = -1 if end == "lower" else 1
    near = bounds.low if end == "lower" else bounds.high
    if _is_log(bounds):
        value = near * (bounds.high / bounds.low) ** (sign * share)
    else:
        value = near + sign * (bounds.high - bounds.low) * share
    if not isinstance(bounds, Int):
        return float(f"{value:.2g}")
    steps = max(1, round(abs(value - near) / bounds.step))
    return near + sign * steps * bounds.step


def _line(field: str, bounds: Numbers) -> str:
    """Return the line of a space's file that holds a range."""
    values = bounds.model_dump(exclude_defaults=True, exclude={"kind"})
    texts = [f"kind: {bounds.kind}", *(f"{name}: {leaf_text(value)}" for name, value in values.items())]
    return f"{field}: {{{', '.join(texts)}}}"


def _why_more(space: Space, trials: Sequence[TrialRecord], scored: Sequence[TrialRecord]) -> str:
    """Return why more trials of the same space may help; empty where nothing speaks for them."""
    fields = len(searched(space))
    if len(scored) < FEW * fields:
        return f"{count(len(scored), 'finished trial')} are few for {count(fields, 'field')}: add trials."
    late = sum(trial.number <= scored[0].number for trial in trials)
    if late > 0.75 * len(trials):
        return f"The best trial came late, as number {late} of {len(trials)}: add trials."
    return ""


def _other_seeds(sweep: Run, scored: Sequence[TrialRecord], kept: Mapping[str, Any]) -> Step:
    """Return how to train the best trials with another seed."""
    top = scored[:TOP]
    lead = (scored[0].lwlrap or 0) - (top[-1].lwlrap or 0)
    which = f"the best {len(top)} lie within {lead:.4f}" if len(top) > 1 else "there is one finished trial alone"
    data = f" --data {shlex.quote(str(kept['data']))}" if kept.get("data") else ""
    lines = []
    for trial in top:
        name = f"{sweep.id[:8]}_{trial.number}"
        lines.append(f"python -m tune promote {sweep.id[:8]} --trial {trial.number} --name {name}")
        lines.append(f"python -m tagging train {name}{data} --set seed=1")
    why = (
        f"The best of many scores is flattered by the choice, and {which}: train them with another seed, on all folds."
    )
    return Step(why, lines)
