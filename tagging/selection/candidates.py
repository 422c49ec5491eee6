"""Which runs of the store may be members of an ensemble: by their tags, then by their tables; why others may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tagging.contract import DATA_TAGS, ON_REQUEST, WITH_PREDICTIONS, Tag
from tagging.ensemble.pool import Pool
from tagging.errors import UserError, nearest
from tagging.metrics import lwlrap
from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.runs.finished import lost_folds
from tagging.runs.members import distinct_names
from tagging.runs.predictions import OutOfFold, read_pool
from tagging.runs.result import CONSTANT, far_below, predicts_constant
from tagging.selection.settings import CandidateFilter
from tagging.tracking.files import UnusableFile
from tagging.tracking.store import Run, Store

HOW_TO_GET = "`python -m tagging train NAME` makes one with all its folds; `show runs` lists what there is"


@dataclass(frozen=True)
class Candidates:
    """The candidates of one data set, the oldest first, and the runs that do not fit with the reason of each."""

    dataset: str
    runs: tuple[Run, ...]
    left_out: tuple[tuple[Run, str], ...]

    def without(self, left_out: Sequence[tuple[Run, str]]) -> Candidates:
        """Return the candidates without some more runs, each with the reason."""
        gone = {run.id for run, _ in left_out}
        runs = tuple(run for run in self.runs if run.id not in gone)
        return Candidates(self.dataset, runs, (*self.left_out, *left_out))


def read_candidates(store: Store, wanted: CandidateFilter) -> tuple[Candidates, OutOfFold]:
    """Return the candidates with their out-of-fold probabilities, and print which runs are left out and why.

    UserError where there are too few candidates, and for a filter or a name that cannot be used.
    """
    pool = find_pool(store, wanted.dataset, wanted.where, wanted.runs)
    pool = pool.without([(run, lost) for run in pool.runs if (lost := _lost(store, run))])
    oof, unfit = read_pool(store, pool.runs)
    pool = pool.without(unfit)
    if oof is not None:
        constant = np.array([predicts_constant(each, oof.folds) for each in oof.probabilities])
        pool = pool.without([(run, CONSTANT) for run, same in zip(pool.runs, constant, strict=True) if same])
        pool, oof = without_copies(pool, replace(oof, probabilities=oof.probabilities[~constant]))
    lines = reasons_of(pool.left_out)
    if oof is None or len(pool.runs) < wanted.minimum:
        named = ", ".join(distinct_names(pool.runs))
        raise UserError(
            f"{pool.dataset} has {count(len(pool.runs), 'candidate')}{f' ({named})' if named else ''}; "
            f"{wanted.minimum} or more are needed",
            *lines,
            "train another experiment, or the same with --set seed=1; --min 1 takes what there is",
        )
    say("\n".join([f"{pool.dataset}: {count(len(pool.runs), 'candidate')}", *lines]))
    warn_of_poor(pool.runs, oof)
    return pool, oof


def _lost(store: Store, run: Run) -> str:
    """Say which folds a run lost; empty where it has all."""
    try:
        lost = lost_folds(store, run)
    except UnusableFile as error:
        return error.problem
    except UserError as error:
        return str(error)
    return f"it lacks {'; '.join(lost)}" if lost else ""


def warn_of_poor(runs: Sequence[Run], oof: OutOfFold) -> None:
    """Warn of each run whose CV lwlrap is far below those of the others."""
    scores = [lwlrap(oof.truth, each) for each in oof.probabilities]
    for place, run in enumerate(runs):
        if problem := far_below(scores[place], scores[:place] + scores[place + 1 :], oof.truth):
            warn(f"{run.title}: {problem}")


def without_copies(pool: Candidates, oof: OutOfFold) -> tuple[Candidates, OutOfFold]:
    """Leave out runs with the probabilities of a newer one, to the bit: one run would count twice.

    Such runs differ in settings that reach no curated clip, as `predict.noisy`.
    """
    newest = {each.tobytes(): run for run, each in zip(pool.runs, oof.probabilities, strict=True)}
    same = [newest[each.tobytes()] for each in oof.probabilities]
    kept = [place for place, run in enumerate(pool.runs) if same[place] is run]
    copies = [
        (run, f"the same out-of-fold predictions as {other.title}, which is newer")
        for run, other in zip(pool.runs, same, strict=True)
        if other is not run
    ]
    return pool.without(copies), replace(oof, probabilities=oof.probabilities[kept])


def find_pool(store: Store, dataset: str = "", where: str = "", names: Sequence[str] = ()) -> Candidates:
    """Return the candidates of a data set; by default of that with the newest candidate.

    `where` is a filter in MLflow's own language, `names` limits the pool to some runs by id, the beginning of one, or
    name. Candidates have all folds, and the classes, clips and folds of the newest one. Experiments and stackers are
    taken unless their tag `ensemble` is `exclude`, trials and ensembles only where it is `include`. The same store
    gives the same pool. Raises UserError where the filter is wrong, a name is unknown or nothing is found.
    """
    if dataset:
        _check_dataset(store, dataset)
    no_folds = ["tags.kind != 'fold'"]  # which are most of a store
    found = [run for run in store.matching(where, no_folds, dataset or None) if run.kind in WITH_PREDICTIONS]
    if names:
        found = _named(store, found, names)
    newest = next((run for run in found if not _unfit(run)), None)
    if newest is None:
        raise UserError(_nothing(dataset, where, names), *reasons_of([(run, _unfit(run)) for run in found]), HOW_TO_GET)
    at_home = [run for run in found if run.dataset == newest.dataset]
    reasons = {run.id: _unfit(run) or _incomparable(run, newest) for run in at_home}
    away = [(run, f"of data set {run.dataset}") for run in found if names and run.dataset != newest.dataset]
    oldest_first = sorted(at_home, key=lambda run: (run.start_time, run.id))
    return Candidates(
        dataset=newest.dataset,
        runs=tuple(run for run in oldest_first if not reasons[run.id]),
        left_out=(*((run, reasons[run.id]) for run in oldest_first if reasons[run.id]), *away),
    )


def reasons_of(left_out: Sequence[tuple[Run, str]]) -> list[str]:
    """Return a line for each reason with the runs that it keeps out of the pool, at most four of them by name."""
    reasons: dict[str, list[Run]] = {}
    for run, reason in left_out:
        reasons.setdefault(reason, []).append(run)
    return [f"not a candidate: {_few(runs)}: {reason}" for reason, runs in reasons.items()]


def pick(runs: Sequence[Run], text: str) -> Run | None:
    """Return the one of some runs that a user means by an id, the beginning of one, or a name (the newest)."""
    if named := [run for run in runs if run.name == text]:
        return max(named, key=lambda run: run.start_time)
    begun = [run for run in runs if len(text) >= 4 and run.id.startswith(text)]
    return begun[0] if len(begun) == 1 else None


def required(store: Store, pool: Candidates, texts: Sequence[str]) -> list[int]:
    """Return the positions in the pool of the runs that must be members; UserError for those that are no candidates."""
    positions, problems = [], []
    for text in texts:
        run = pick(pool.runs, text)
        if run:
            positions.append(pool.runs.index(run))
            continue
        meant = store.resolve(text)
        reason = {other.id: why for other, why in pool.left_out}.get(meant.id)
        if reason is None:
            away = meant.dataset != pool.dataset
            reason = f"of data set {meant.dataset}" if away else "not in the pool asked for"
        problems.append(f"--must {text}: {meant.title} is no candidate: {reason}")
    if problems:
        raise UserError(*problems, f"candidates: {_few(pool.runs, 12)}")
    return sorted(set(positions))


def arrays_of(runs: Sequence[Run], oof: OutOfFold) -> Pool:
    """Return runs as a pool of arrays; UserError that names each run whose probabilities cannot be used."""
    try:
        return Pool(distinct_names(runs), list(oof.probabilities), oof.truth, oof.folds)
    except ValueError as error:
        raise UserError(*str(error).splitlines()) from None


def _check_dataset(store: Store, dataset: str) -> None:
    names = [found.name for found in store.data_sets()]
    if dataset not in names:
        near = nearest(dataset, names)
        hint = f"did you mean {near}? " if near else ""
        there = ", ".join(names) or "none"
        raise UserError(f"--data-set {dataset}: no run is of this data set; {hint}There are: {there}")


def _named(store: Store, found: Sequence[Run], names: Sequence[str]) -> list[Run]:
    """Return the runs that a user named, each once, the newest first."""
    usable = [run for run in found if not _unfit(run)]
    chosen: dict[str, Run] = {}
    problems = []
    for text in names:
        run = pick(usable, text) or pick(found, text)
        if run is None:
            meant = store.resolve(text)
            title = f"{meant.name} ({meant.id[:8]}, data set {meant.dataset})"
            problems.append(f"--runs {text}: {title} is not among the runs asked for")
        else:
            chosen[run.id] = run
    if problems:
        raise UserError(*problems, "leave out --where or --data-set, or name other runs")
    return [run for run in found if run.id in chosen]


def _unfit(run: Run) -> str:
    """Return why a run by itself is no candidate; empty where it may be one."""
    wanted = run.tags.get(Tag.MEMBERSHIP, "")
    if wanted == "exclude":
        return "its tag ensemble is exclude"
    if run.kind in ON_REQUEST and wanted != "include":
        return f"{'an' if run.kind == 'ensemble' else 'a'} {run.kind} joins with the tag ensemble = include"
    if run.status != "FINISHED":
        return f"{run.status}, not FINISHED"
    if run.tags.get(Tag.CANDIDATE) != "yes":
        return "it lacks folds"
    lacking = [tag for tag in DATA_TAGS if tag not in run.tags]
    return f"its tag {lacking[0]} is gone" if lacking else ""


def _incomparable(run: Run, reference: Run) -> str:
    other = [tag.removeprefix("data.") for tag in DATA_TAGS if run.tags.get(tag) != reference.tags.get(tag)]
    return f"other {' and '.join(other)} than {reference.title}" if other else ""


def _nothing(dataset: str, where: str, names: Sequence[str]) -> str:
    asked = [
        f"of data set {dataset}" if dataset else "",
        f"that meets {where!r}" if where else "",
        f"among {', '.join(names)}" if names else "",
    ]
    return " ".join(["there is no candidate for an ensemble", *filter(None, asked)])


def _few(runs: Sequence[Run], most: int = 4) -> str:
    shown = ", ".join(run.title for run in runs[:most])
    return shown if len(runs) <= most else f"{shown} and {count(len(runs) - most, 'more run')}"
