"""The run of an ensemble: members, predictions, scores, tables, pictures and page, as an experiment has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tagging import RECIPE_VERSION
from tagging.config import AnyRecipe, told_apart
from tagging.config.sections.data import Report
from tagging.contract import DATA_TAGS, File, Kind, Metric, Tag, split_path
from tagging.errors import UserError
from tagging.jobs.inputs import read_labelled
from tagging.jobs.train import ending
from tagging.metrics import lwlrap
from tagging.pages.ensemble import ensemble_page
from tagging.pages.reports import scored_of, sounds_of
from tagging.progress import say, warn
from tagging.report.pages import MemberRow, page
from tagging.runs.finished import latest_run
from tagging.runs.leaks import leak_tags, leaks, warn_of_leaks
from tagging.runs.members import Ensemble, read_ensemble
from tagging.runs.predictions import OutOfFold, blend_members, count_test, has_split
from tagging.runs.result import Result, fold_metrics
from tagging.runs.stored import left_out, prediction_table, stored_recipe
from tagging.tracking.files import Figure
from tagging.tracking.ownership import own
from tagging.tracking.provenance import code_tags, log_provenance
from tagging.tracking.store import Run, Store


@dataclass(frozen=True)
class SelectionRecord:
    """How an ensemble came about: what is logged of that beside its own numbers.

    `gain`: a sentence on the gain over the best candidate alone, empty where that is not known.
    `seed_spread` is the standard deviation of the CV lwlrap over training seeds by a member's run id, where several
    such runs exist.
    """

    how: str
    gain: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    seed_spread: Mapping[str, float] = field(default_factory=dict)


def write_ensemble(store: Store, name: str, ensemble: Ensemble, oof: OutOfFold, record: SelectionRecord) -> Run:
    """Write an ensemble as a run and return it; one that is there already, finished, is not written twice.

    `oof`: of the ensemble's members, in their order. An interrupted run of the same ensemble is written to its end.
    """
    _check_there(store, ensemble)
    fingerprint = ensemble.fingerprint()
    with own(fingerprint):
        run = latest_run(store, Kind.ENSEMBLE, fingerprint)
        if run and run.status == "FINISHED":
            say(f"this ensemble exists already; using run {run.title}:")
            return run
        if run:
            store.reopen(run.id)
        else:
            first = ensemble.runs[0]
            what = f"{ensemble.method} mean of {len(ensemble.members)}: {ensemble.shares}"
            tags = {
                Tag.FINGERPRINT: fingerprint,
                **{tag: first.tag(tag) for tag in DATA_TAGS},
                **code_tags(),
                Tag.RECIPE: RECIPE_VERSION,
                **leak_tags(leaks(ensemble.runs)),
                Tag.DIFFERS: what,
                Tag.APART: what,  # the column where experiments say how they are unlike each other
            }
            run = store.start(first.dataset, Kind.ENSEMBLE, name, tags, {})
        warn_of_leaks(leaks(ensemble.runs))
        with ending(store, run):
            store.log_json(run.id, ensemble.as_json(), File.ENSEMBLE)
            log_provenance(store, run.id)
            blend = {"method": ensemble.method, "size": len(ensemble.members), "members": ensemble.shares}
            store.log_params(run.id, {**{f"ensemble.{key}": value for key, value in blend.items()}, **record.params})
            result = result_of(ensemble, oof)
            metrics = log_predictions(store, run, ensemble, result) | dict(record.metrics)
            store.log_metrics(run.id, metrics)
            for table_name, table in record.tables.items():
                store.log_shown_table(run.id, table, f"tables/{table_name}.parquet")
            for figure_name, figure in record.figures.items():
                store.log_figure(run.id, figure, f"figures/{figure_name}.png")
            store.log_text(run.id, report_of(store, store.get(run.id)), File.REPORT)
            result.publish(store, run, _page(store, run, ensemble, oof, metrics, record, result.class_lwlrap()))
    return store.get(run.id)


def report_of(store: Store, run: Run, data: Path | None = None, clips: int | None = None) -> str:
    """Return the report of an ensemble in HTML, from the store's files and the sound of the data set of its members.

    `data`: the folder of the data set, where it moved; `clips`: cards in each list of clips, None: the fewest that the
    config of a member allows. Without the data set, which a warning tells, the page has no sound. Raises UserError as
    `ensemble_page` does.
    """
    dataset, allowed = None, Report().clips
    try:
        recipes = _recipes(store, read_ensemble(store, run), data)
        allowed = min(recipe.report.clips for recipe in recipes)
        dataset = read_labelled(recipes[0]).dataset
    except UserError as error:
        warn(f"the report has no sound: {error}; `python -m tagging report {run.id[:8]} --data FOLDER` makes it again")
    cards = allowed if clips is None else clips
    return ensemble_page(store, run, scored_of(store, run), sounds_of(dataset), cards)


def result_of(ensemble: Ensemble, oof: OutOfFold) -> Result:
    """Return the blended out-of-fold probabilities of an ensemble with what they are scored by."""
    return Result(oof.classes, oof.fnames, oof.folds, oof.truth, ensemble.blend(oof.probabilities))


def log_predictions(store: Store, run: Run, ensemble: Ensemble, result: Result) -> dict[str, float]:
    """Log the blended predictions, with tables and pictures, and return the scores.

    Test and noisy clips are blended where all members have predicted them.
    """
    oof = prediction_table(result.fnames, result.probabilities, result.classes, fold=result.folds)
    store.log_table(run.id, oof[["fname", "fold"]], File.FOLDS)
    store.log_table(run.id, oof, File.OOF)
    folds = np.unique(result.folds).tolist()
    for split in ("test", "noisy"):
        if all(has_split(store, member, split, folds) for member in ensemble.runs):
            for fold in folds:
                store.log_table(run.id, blend_members(store, ensemble, split, fold), split_path(split, fold))
    if lines := dict.fromkeys(line for member in ensemble.runs for line in left_out(store, member)):
        store.log_text(run.id, "\n".join(lines) + "\n", File.WARNINGS)
    result.log(store, run)
    parts = [result.folds == fold for fold in folds]
    return result.metrics() | fold_metrics([lwlrap(result.truth[rows], result.probabilities[rows]) for rows in parts])


def _check_there(store: Store, ensemble: Ensemble) -> None:
    """Stop where a member was deleted since it was found."""
    problems = []
    for run in ensemble.runs:
        try:
            store.get(run.id)
        except UserError as error:
            problems.append(f"{run.name} was deleted while the ensemble was made: {error}")
    if problems:
        raise UserError(*problems, "or start the same command again, without it")


def _recipes(store: Store, ensemble: Ensemble, data: Path | None) -> list[AnyRecipe]:
    """Return the configs of an ensemble's members, and of the members of those that are ensembles."""
    recipes = []
    for run in ensemble.runs:
        if run.kind == Kind.ENSEMBLE:
            recipes += _recipes(store, read_ensemble(store, run), data)
        else:
            recipes.append(stored_recipe(store, run, data=data))
    return recipes


def _page(
    store: Store,
    run: Run,
    ensemble: Ensemble,
    oof: OutOfFold,
    metrics: Mapping[str, float],
    record: SelectionRecord,
    class_lwlrap: Mapping[str, float],
) -> str:
    return page(
        "ensemble",
        run=run.id[:8],
        method=ensemble.method,
        how=record.how,
        dataset=run.dataset,
        curated=len(oof.fnames),
        test=count_test(store, run),
        metrics=metrics,
        class_lwlrap=class_lwlrap,
        gain=record.gain,
        report=run.report_link,
        members=[
            MemberRow(
                name=member.run.name,
                link=member.run.link,
                kind=member.run.kind,
                differs=differs,
                weight=member.weight,
                cv_lwlrap=lwlrap(oof.truth, probabilities),
                fold_std=member.run.metrics.get(Metric.FOLD_STD),
                seed_std=record.seed_spread.get(member.run.id),
            )
            for member, differs, probabilities in zip(
                ensemble.members, told_apart([run.params for run in ensemble.runs]), oof.probabilities, strict=True
            )
        ],
        leaks=Tag.LEAKS in run.tags,
    )
