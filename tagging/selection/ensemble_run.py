"""The run of an ensemble: members, predictions, scores, tables, pictures and words, as an experiment has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tagging import RECIPE_VERSION
from tagging.config import told_apart
from tagging.contract import DATA_TAGS, File, Kind, Metric, Tag, split_folder, split_path
from tagging.errors import UserError
from tagging.jobs.runs_of_job import ending
from tagging.metrics import accuracy, confused_pairs, is_single_label, lwlrap, lwlrap_per_class
from tagging.progress import say
from tagging.report import figures
from tagging.report.description import worst_classes
from tagging.report.ensemble import EnsembleSummary, MemberRow, describe_ensemble
from tagging.report.tables import per_class_table, per_clip_table
from tagging.runs.leaks import leak_tags, leaks, warn_of_leaks
from tagging.runs.members import Ensemble
from tagging.runs.predictions import OutOfFold, blend_split, has_split
from tagging.runs.stored import left_out, read_predictions
from tagging.tracking.files import Figure
from tagging.tracking.ownership import own
from tagging.tracking.place import owner_tag
from tagging.tracking.provenance import code_tags, log_provenance
from tagging.tracking.store import Run, Store

CONFUSIONS_SHOWN = 20


@dataclass(frozen=True)
class SelectionRecord:
    """How an ensemble came about: what is logged of that beside its own numbers.

    `gain` says what it gains over the best candidate alone, empty where that is not known.
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

    `oof`: of the ensemble's members, in their order. One that was broken off is written to its end.
    """
    _check_there(store, ensemble)
    fingerprint = ensemble.fingerprint()
    with own(fingerprint):
        run = _latest(store, fingerprint)
        if run and run.status == "FINISHED":
            say("these members are blended in a run already, which keeps its name and the account of that choice:")
            return run
        if run:
            store.reopen(run.id)
        else:
            run = _start(store, name, ensemble, fingerprint)
        warn_of_leaks(leaks(ensemble.runs))
        with ending(store, run):
            store.log_json(run.id, ensemble.as_json(), File.ENSEMBLE)
            log_provenance(store, run.id)
            store.log_params(run.id, {**_params(ensemble), **record.params})
            metrics = log_predictions(store, run, ensemble, oof) | dict(record.metrics)
            store.log_metrics(run.id, metrics)
            _log_record(store, run, record)
            summary = _words(run, ensemble, oof, metrics, record, _test_clips(store, run))
            said = {Tag.NOTE: describe_ensemble(summary), "worst": worst_classes(summary.class_lwlrap)}
            store.set_tags(run.id, said)
            store.set_tags(run.id, {Tag.CANDIDATE: "yes"})  # last: whoever sees it finds all the rest
    return store.get(run.id)


def log_predictions(store: Store, run: Run, ensemble: Ensemble, oof: OutOfFold) -> dict[str, float]:
    """Log what the members say together, with tables and pictures, and return the scores."""
    scores = ensemble.blend(oof.probabilities)
    head = pd.DataFrame({"fname": oof.fnames, "fold": oof.folds})
    store.log_table(run.id, head, File.FOLDS)
    store.log_table(run.id, head.join(pd.DataFrame(scores, columns=list(oof.classes))), File.OOF)
    log_splits(store, run, ensemble, sorted(set(oof.folds.tolist())))
    _log_warnings(store, run, ensemble)
    _log_tables_and_figures(store, run, oof, scores)
    return _metrics(oof, scores)


def log_splits(store: Store, run: Run, ensemble: Ensemble, folds: list[int]) -> None:
    """Log the test and noisy predictions of an ensemble, each where all members have theirs."""
    for half in ("test", "noisy"):
        if all(has_split(store, member, half, folds) for member in ensemble.runs):
            for fold, table in blend_split(store, ensemble, half, folds).items():
                store.log_table(run.id, table, split_path(half, fold))


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


def _latest(store: Store, fingerprint: str) -> Run | None:
    """Return the newest run of the same ensemble that is finished, or that we can go on with."""
    runs = store.search({Tag.KIND: Kind.ENSEMBLE, Tag.FINGERPRINT: fingerprint})
    return next((run for run in runs if run.status == "FINISHED" or run.tags.get(Tag.OWNER) == owner_tag()), None)


def _start(store: Store, name: str, ensemble: Ensemble, fingerprint: str) -> Run:
    first = ensemble.runs[0]
    blend = f"{ensemble.method} mean of {len(ensemble.members)}: {', '.join(_shares(ensemble))}"
    tags = {
        Tag.FINGERPRINT: fingerprint,
        **{tag: first.tag(tag) for tag in DATA_TAGS},
        **code_tags(),
        Tag.RECIPE: RECIPE_VERSION,
        **leak_tags(leaks(ensemble.runs)),
        Tag.DIFFERS: blend,
        Tag.APART: blend,  # the column where experiments say how they are unlike each other
    }
    return store.start(first.dataset, Kind.ENSEMBLE, name, tags, {})


def _params(ensemble: Ensemble) -> dict[str, object]:
    return {
        "ensemble.method": ensemble.method,
        "ensemble.size": len(ensemble.members),
        "ensemble.members": ", ".join(_shares(ensemble)),
    }


def _shares(ensemble: Ensemble) -> list[str]:
    """Return the members' names, with their weights where these are not all the same."""
    equal = len({round(member.weight, 9) for member in ensemble.members}) == 1
    return [member.run.name if equal else f"{member.run.name} {member.weight:.3f}" for member in ensemble.members]


def _metrics(oof: OutOfFold, scores: np.ndarray) -> dict[str, float]:
    by_fold = [lwlrap(oof.truth[oof.folds == fold], scores[oof.folds == fold]) for fold in np.unique(oof.folds)]
    metrics = {Metric.CV_LWLRAP: lwlrap(oof.truth, scores), Metric.FOLD_MEAN: float(np.mean(by_fold))}
    if len(by_fold) > 1:
        metrics[Metric.FOLD_STD] = float(np.std(by_fold, ddof=1))
    if is_single_label(oof.truth):
        metrics[Metric.CV_ACCURACY] = accuracy(oof.truth, scores)
    return metrics


def _log_tables_and_figures(store: Store, run: Run, oof: OutOfFold, scores: np.ndarray) -> None:
    classes, truth = oof.classes, oof.truth
    by_class, _ = lwlrap_per_class(truth, scores)
    pairs = [(classes[true], classes[wrong], n) for true, wrong, n in confused_pairs(truth, scores, CONFUSIONS_SHOWN)]
    store.log_shown_table(run.id, per_class_table(classes, truth, scores), File.PER_CLASS)
    store.log_shown_table(run.id, per_clip_table(oof.fnames, oof.folds, classes, truth, scores), File.PER_CLIP)
    counts = truth.sum(axis=0).astype(int)
    bars = figures.class_lwlrap(run.name, "out of fold", classes, by_class, counts)
    store.log_figure(run.id, bars, "figures/class_lwlrap.png")
    store.log_figure(run.id, figures.confusions(run.name, pairs), "figures/confusions.png")


def _log_warnings(store: Store, run: Run, ensemble: Ensemble) -> None:
    """Hand down what members say of clips that were left out."""
    lines: dict[str, None] = {}
    for member in ensemble.runs:
        lines |= dict.fromkeys(left_out(store, member))
    if lines:
        store.log_text(run.id, "\n".join(lines) + "\n", File.WARNINGS)


def _log_record(store: Store, run: Run, record: SelectionRecord) -> None:
    for name, table in record.tables.items():
        store.log_shown_table(run.id, table, f"tables/{name}.parquet")
    for name, figure in record.figures.items():
        store.log_figure(run.id, figure, f"figures/{name}.png")


def _test_clips(store: Store, run: Run) -> int:
    files = store.list_files(run.id, split_folder("test"))
    return len(read_predictions(store, run, files[0])) if files else 0


def _words(
    run: Run, ensemble: Ensemble, oof: OutOfFold, metrics: Mapping[str, float], record: SelectionRecord, test: int
) -> EnsembleSummary:
    by_class, _ = lwlrap_per_class(oof.truth, ensemble.blend(oof.probabilities))
    return EnsembleSummary(
        run=run.id[:8],
        method=ensemble.method,
        how=record.how,
        dataset=run.dataset,
        curated=len(oof.fnames),
        test=test,
        metrics=metrics,
        class_lwlrap=dict(zip(oof.classes, by_class.tolist(), strict=True)),
        gain=record.gain,
        members=[
            MemberRow(
                name=member.run.name,
                link=member.run.link,
                kind=member.run.kind,
                differs=differs,
                weight=member.weight,
                cv_lwlrap=lwlrap(oof.truth, said),
                fold_std=member.run.metrics.get("fold_lwlrap_std"),
                seed_std=record.seed_spread.get(member.run.id),
            )
            for member, differs, said in zip(
                ensemble.members, told_apart([run.params for run in ensemble.runs]), oof.probabilities, strict=True
            )
        ],
        leaks=Tag.LEAKS in run.tags,
    )
