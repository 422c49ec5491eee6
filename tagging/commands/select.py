"""Find the combination of the store's runs with the best CV lwlrap, and keep it as a run."""

from __future__ import annotations

from dataclasses import replace

from tagging.errors import UserError
from tagging.progress import say
from tagging.runs.finished import open_store
from tagging.runs.members import ensemble_of
from tagging.selection.candidates import arrays_of, read_candidates, required
from tagging.selection.settings import CandidateFilter, SelectionSettings
from tagging.tracking.ownership import close_abandoned, link_launch
from tagging.tracking.store import Run, Store


def select(wanted: CandidateFilter, settings: SelectionSettings, name: str = "") -> Run:
    """Choose among the store's candidates, print the best blends, and return the run of the ensemble.

    The same store gives the same answer, which is not written twice. Raises UserError where there are too few
    candidates or too many subsets, and for a filter, a name or a table that cannot be used.
    """
    if settings.search != "enumerate" and (wanted.must or settings.limits.largest or settings.limits.smallest > 1):
        raise UserError(f"--size and --must limit --search enumerate; --search {settings.search} chooses freely")
    store = open_store()
    close_abandoned(store)
    pool, oof = read_candidates(store, wanted)
    settings = replace(settings, limits=replace(settings.limits, must=tuple(required(store, pool, wanted.must))))
    from tagging.selection.choose import choose  # torch, and what draws, once there are candidates
    from tagging.selection.ensemble_run import write_ensemble
    from tagging.selection.report import SelectionReport, print_report, record_of

    arrays = arrays_of(pool.runs, oof)
    choice = choose(arrays, settings)
    report = SelectionReport(pool.runs, arrays, choice, settings)
    print_report(report)
    blend = choice.chosen.blend
    ensemble = ensemble_of(blend.method, [pool.runs[one] for one in blend.members], blend.weights)
    positions = [pool.runs.index(run) for run in ensemble.runs]
    members_oof = replace(oof, probabilities=oof.probabilities[positions])
    run = write_ensemble(store, name or "ensemble", ensemble, members_oof, record_of(report))
    link_launch(store, run)
    tell_result(store, run)
    return run


def tell_result(store: Store, run: Run) -> None:
    """Print where an ensemble is and how to continue with it."""
    say(f"run {run.name} ({run.id}) of data set {run.dataset}")
    say(f"its submission: `python -m tagging submit --run {run.id[:8]}`")
    say(store.where_to_look(run))
