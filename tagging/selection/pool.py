"""From the store to the pool of candidates: which runs remain, with their out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tagging.ensemble.pool import Pool
from tagging.errors import UserError
from tagging.metrics import lwlrap
from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.runs.finished import lost_folds
from tagging.runs.predictions import OutOfFold, read_pool
from tagging.runs.sanity import CONSTANT, far_below, predicts_constant
from tagging.selection.candidates import Candidates, distinct_names, find_pool, reasons_of
from tagging.selection.settings import CandidateFilter
from tagging.tracking.files import UnusableFile
from tagging.tracking.store import Run, Store


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


def arrays_of(runs: Sequence[Run], oof: OutOfFold) -> Pool:
    """Return runs as a pool of arrays; UserError that names each run whose probabilities cannot be used."""
    try:
        return Pool(distinct_names(runs), list(oof.probabilities), oof.truth, oof.folds)
    except ValueError as error:
        raise UserError(*str(error).splitlines()) from None
