"""The report of an ensemble: what each member adds, for which classes, how alike members are, and how many it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tagging.config import told_apart
from tagging.contract import Metric
from tagging.ensemble.candidates import correlation
from tagging.ensemble.pool import Pool
from tagging.metrics import bootstrap_lwlrap, interval, lwlrap, lwlrap_per_class
from tagging.pages.cards import Scored, Sounds
from tagging.pages.experiment import SAMPLES, clip_sections
from tagging.report import charts
from tagging.report.html import html_page
from tagging.report.wording import count
from tagging.runs.members import Ensemble, distinct_names, read_ensemble
from tagging.runs.predictions import OutOfFold, read_out_of_fold
from tagging.tracking.store import Run, Store

BLENDS = 10  # rows of the table
NAMED = 2  # classes of a member in the table
BEST_OF_SIZE = re.compile(r"(\w+), size (\d+)")  # a row of the table of blends


@dataclass(frozen=True)
class Part:
    """What a member adds to a blend of several: its score minus that of the blend without the member.

    `adds` is the difference of the CV lwlrap, `low` and `high` its 95 % interval over drawn clips, `by_class` [C] the
    difference of each class, NaN where no clip carries it. `helps` and `costs` are the classes with the largest
    differences either way.
    """

    adds: float
    low: float
    high: float
    by_class: np.ndarray
    helps: Sequence[tuple[str, float]]
    costs: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class MemberFacts:
    """A member of an ensemble: its weight, its own score with spreads, and its part, None of the only member.

    `differs` are its settings that other members do not share. `fold_std` and `seed_std` are the standard deviations of
    its lwlrap over folds and over training seeds, None where they are not known.
    """

    name: str
    run: Run
    weight: float
    differs: str
    cv_lwlrap: float
    fold_std: float | None
    seed_std: float | None
    part: Part | None


def ensemble_page(store: Store, run: Run, scored: Scored, sounds: Sounds, clips: int) -> str:
    """Return the report of an ensemble in HTML, from its files and those of its members.

    `scored`: its own out-of-fold predictions. `clips`: cards in the lists of the worst predictions and of suspicious
    labels. Raises UserError where a member was deleted, or its predictions cannot be read.
    """
    ensemble = read_ensemble(store, run)
    oof = read_out_of_fold(store, ensemble.runs)
    names = distinct_names(ensemble.runs)
    blends, candidates = (_table(store, run, name) for name in ("blends", "candidates"))
    members = member_facts(ensemble, oof, names, candidates)
    return html_page(
        "ensemble",
        run=run,
        method=ensemble.method,
        metrics=run.metrics,
        chosen=how_chosen(run.params),
        members=members,
        member_charts=_member_charts(members),
        by_member=_class_chart(members, oof.classes) if len(members) > 1 else None,
        alike=_correlation_chart(names, oof) if len(members) > 1 else None,
        sizes=charts.score_by_size(rows) if (rows := size_rows(blends)) else None,
        blends=blends[:BLENDS],
        again=_chosen_again_chart(candidates),
        **clip_sections(scored, sounds, clips),
    )


def member_facts(
    ensemble: Ensemble, oof: OutOfFold, names: Sequence[str], candidates: Sequence[Mapping[str, Any]] = ()
) -> list[MemberFacts]:
    """Return what there is to say of each member of an ensemble.

    `oof`: the predictions of its members; `names`: theirs, all different; `candidates`: the rows of `tables/candidates`
    of the ensemble's run, with spreads over seeds.
    """
    seed_std = {row["run"]: row["seed_lwlrap_std"] for row in candidates}
    parts = _parts(ensemble, oof) if len(ensemble.members) > 1 else [None] * len(ensemble.members)
    apart = told_apart([run.params for run in ensemble.runs])
    return [
        MemberFacts(
            name=name,
            run=member.run,
            weight=member.weight,
            differs=differs,
            cv_lwlrap=lwlrap(oof.truth, probabilities),
            fold_std=member.run.metrics.get(Metric.FOLD_STD),
            seed_std=seed_std.get(member.run.id),
            part=part,
        )
        for name, member, differs, probabilities, part in zip(
            names, ensemble.members, apart, oof.probabilities, parts, strict=True
        )
    ]


def _parts(ensemble: Ensemble, oof: OutOfFold) -> list[Part]:
    """Return the part of each member of a blend of two or more."""
    whole, drawn, whole_by_class = _scores(oof, ensemble.blend(oof.probabilities))
    parts = []
    for place, member in enumerate(ensemble.members):
        others = Ensemble(ensemble.method, tuple(one for one in ensemble.members if one is not member))
        rest, rest_drawn, rest_by_class = _scores(oof, others.blend(np.delete(oof.probabilities, place, axis=0)))
        low, high = interval(drawn - rest_drawn).tolist()
        by_class = whole_by_class - rest_by_class
        named = [pair for pair in zip(oof.classes, by_class.tolist(), strict=True) if math.isfinite(pair[1])]
        ranked = sorted(named, key=lambda pair: -pair[1])
        parts.append(
            Part(
                adds=whole - rest,
                low=low,
                high=high,
                by_class=by_class,
                helps=[pair for pair in ranked[:NAMED] if pair[1] > 0],
                costs=[pair for pair in ranked[::-1][:NAMED] if pair[1] < 0],
            )
        )
    return parts


def _scores(oof: OutOfFold, blend: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the lwlrap of a blend [N, C], that of drawn sets of clips, the same sets for every blend, and by class."""
    drawn, _ = bootstrap_lwlrap(oof.truth, blend, SAMPLES, np.random.default_rng(0))
    return lwlrap(oof.truth, blend), drawn, lwlrap_per_class(oof.truth, blend)[0]


def size_rows(blends: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of `tables/blends` that are the best subset of a size, by method and size."""
    found = [(BEST_OF_SIZE.fullmatch(row["way"]), row) for row in blends]
    rows = [{**row, "method": match[1], "size": int(match[2])} for match, row in found if match]
    return sorted(rows, key=lambda row: (row["method"], row["size"]))


def how_chosen(params: Mapping[str, str]) -> str:
    """Return in a sentence how the members came together, from the params of the ensemble's run; empty if unknown."""
    if "ensemble.recipe" in params:
        return f"By the recipe {params['ensemble.recipe']}: no member was picked for its score on these clips."
    if "select.candidates" not in params:
        return ""
    by = "the nested estimate" if params["select.by"] == "nested" else "the CV"
    subsets = int(params["select.subsets"])
    tried = f", of {count(subsets, 'subset')}" if subsets else ""
    among = count(int(params["select.candidates"]), "candidate")
    return f"Chosen among {among} by {by} (--search {params['select.search']}{tried})."


def _table(store: Store, run: Run, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table of the ensemble's run; none where a recipe, not a choice, named the members."""
    path = f"tables/{name}.parquet"
    if not store.has_file(run.id, path):
        return []
    return [
        {str(name): value for name, value in row.items()} for row in store.read_table(run.id, path).to_dict("records")
    ]


def _member_charts(members: Sequence[MemberFacts]) -> list[tuple[str, charts.Chart]]:
    """Return a title and a chart of the members' weights, of their own scores, and of what they add."""
    weights = [{"member": each.name, "weight": each.weight, "differs": each.differs} for each in members]
    adds = [
        {"member": each.name, "adds": each.part.adds, "low": each.part.low, "high": each.part.high}
        for each in members
        if each.part
    ]
    made = [("Weights", charts.bars(weights, "member", "weight", "weight", extra=["differs"]))]
    if adds:
        title = "CV lwlrap with the member minus that without it"
        made.append(("What each member adds", charts.bars(adds, "member", "adds", title, "low", "high")))
    return made


def _class_chart(members: Sequence[MemberFacts], classes: Sequence[str]) -> charts.Chart:
    """Return what each member adds to each class, the classes that members change most first."""
    changes = np.stack([each.part.by_class for each in members if each.part])
    order = np.argsort(-np.nan_to_num(np.abs(changes)).max(axis=0), kind="stable")
    rows = [
        {"member": each.name, "class": classes[index], "adds": change}
        for index in order.tolist()
        for each, change in zip(members, changes[:, index].tolist(), strict=True)
    ]
    return charts.heatmap(rows, "member", "class", "adds", ("member", "class"), diverging=True, format=charts.GAIN)


def _correlation_chart(names: Sequence[str], oof: OutOfFold) -> charts.Chart:
    """Return the rank correlation of each two members' probabilities."""
    values = correlation(Pool(names, list(oof.probabilities), oof.truth, oof.folds))
    rows = [
        {"member": names[row], "other": names[column], "correlation": value}
        for (row, column), value in np.ndenumerate(values)
        if row != column
    ]
    chart = charts.heatmap(rows, "other", "member", "correlation", ("member", "member"), format=charts.SCORE)
    chart["encoding"]["x"]["sort"] = list(names)  # the first row lacks the first
    return chart


def _chosen_again_chart(candidates: Sequence[Mapping[str, Any]]) -> charts.Chart | None:
    """Return in what share of drawn sets of clips each candidate is chosen, the most frequent first; None if unknown.

    That is known where all subsets were enumerated.
    """
    known = [row for row in candidates if row["chosen"] is not None and math.isfinite(row["chosen"])]
    rows = [
        {"candidate": row["name"], "share": row["chosen"], "weight": row["weight"], "CV lwlrap": row["cv_lwlrap"]}
        for row in sorted(known, key=lambda row: -row["chosen"])
    ]
    if not rows:
        return None
    return charts.bars(rows, "candidate", "share", "share of drawn sets of clips", extra=["weight", "CV lwlrap"])
