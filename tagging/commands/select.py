"""Find the combination of the store's runs with the best CV lwlrap, and keep it as a run.

Imports torch once there are candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tagging.ensemble.pool import Pool
from tagging.errors import UserError
from tagging.metrics import lwlrap
from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.runs.finished import lost_folds, open_store
from tagging.runs.members import ensemble_of
from tagging.runs.predictions import OutOfFold, read_pool
from tagging.runs.sanity import CONSTANT, far_below, predicts_constant
from tagging.selection.candidates import Candidates, distinct_names, find_pool, required, told
from tagging.selection.settings import CandidateFilter, SelectionSettings
from tagging.tracking.files import UnusableFile
from tagging.tracking.ownership import close_abandoned, link_launch
from tagging.tracking.store import Run, Store


def select(asked: CandidateFilter, settings: SelectionSettings, name: str = "") -> Run:
    """Choose among the store's candidates, print what was found, and return the run of the ensemble.

    The same store gives the same answer, which is not written twice. Raises UserError where there are too few
    candidates or too many subsets, and for a filter, a name or a table that cannot be used.
    """
    if settings.search != "enumerate" and (asked.must or settings.limits.largest or settings.limits.smallest > 1):
        raise UserError(f"--size and --must limit --search enumerate; --search {settings.search} chooses freely")
    store = open_store()
    close_abandoned(store)
    pool, oof = _pool(store, asked)
    settings = replace(settings, limits=replace(settings.limits, must=tuple(required(store, pool, asked.must))))
    from tagging.selection.choose import choose
    from tagging.selection.ensemble_run import write_ensemble
    from tagging.selection.report import record_of, report_on, show

    arrays = arrays_of(pool.runs, oof)
    choice = choose(arrays, settings)
    found = report_on(pool.runs, arrays, choice, settings)
    show(found)
    blend = choice.chosen.blend
    ensemble = ensemble_of(blend.method, [pool.runs[one] for one in blend.members], blend.weights)
    positions = [pool.runs.index(run) for run in ensemble.runs]
    members_oof = replace(oof, probabilities=oof.probabilities[positions])
    run = write_ensemble(store, name or "ensemble", ensemble, members_oof, record_of(found))
    link_launch(store, run)
    tell_result(store, run)
    return run


def arrays_of(runs: Sequence[Run], oof: OutOfFold) -> Pool:
    """Return runs as a pool of arrays; UserError that names each run whose probabilities cannot be used."""
    try:
        return Pool(distinct_names(runs), list(oof.probabilities), oof.truth, oof.folds)
    except ValueError as error:
        raise UserError(*str(error).splitlines()) from None


def tell_result(store: Store, run: Run) -> None:
    """Print where an ensemble is and how to go on."""
    say(f"run {run.name} ({run.id}) of data set {run.dataset}")
    say(f"its submission: `python -m tagging submit --run {run.id[:8]}`")
    say(store.where_to_look(run))


def _pool(store: Store, asked: CandidateFilter) -> tuple[Candidates, OutOfFold]:
    """Return the candidates with what they say, and say which runs are none; UserError where there are too few."""
    pool = find_pool(store, asked.dataset, asked.where, asked.runs)
    pool = pool.without([(run, lost) for run in pool.runs if (lost := _lost(store, run))])
    oof, unfit = read_pool(store, pool.runs)
    pool = pool.without(unfit)
    if oof is not None:
        pool, oof = without_copies(*without_constants(pool, oof))
    lines = told(pool.left_out)
    if oof is None or len(pool.runs) < asked.minimum:
        named = ", ".join(distinct_names(pool.runs))
        raise UserError(
            f"{pool.dataset} has {count(len(pool.runs), 'candidate')}{f' ({named})' if named else ''}; "
            f"{asked.minimum} or more are needed",
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


def without_constants(pool: Candidates, oof: OutOfFold) -> tuple[Candidates, OutOfFold]:
    """Leave out runs of which each fold says the same of every clip: in a blend they tell no clip from another."""
    constant = np.array([predicts_constant(said, oof.folds) for said in oof.probabilities])
    left_out = [(run, CONSTANT) for run, same in zip(pool.runs, constant, strict=True) if same]
    return pool.without(left_out), replace(oof, probabilities=oof.probabilities[~constant])


def warn_of_poor(runs: Sequence[Run], oof: OutOfFold) -> None:
    """Warn of each run whose CV lwlrap is far below those of the others."""
    scores = [lwlrap(oof.truth, said) for said in oof.probabilities]
    for place, run in enumerate(runs):
        if problem := far_below(scores[place], scores[:place] + scores[place + 1 :], oof.truth):
            warn(f"{run.title}: {problem}")


def without_copies(pool: Candidates, oof: OutOfFold) -> tuple[Candidates, OutOfFold]:
    """Leave out runs that say the same as a newer one to the bit: one run would count twice. The newest stays.

    Such are runs whose settings differ in what reaches no curated clip, such as `predict.noisy`.
    """
    newest = {said.tobytes(): run for run, said in zip(pool.runs, oof.probabilities, strict=True)}
    same = [newest[said.tobytes()] for said in oof.probabilities]
    kept = [place for place, run in enumerate(pool.runs) if same[place] is run]
    copies = [
        (run, f"the same out-of-fold predictions as {other.title}, which is newer")
        for run, other in zip(pool.runs, same, strict=True)
        if other is not run
    ]
    return pool.without(copies), replace(oof, probabilities=oof.probabilities[kept])
