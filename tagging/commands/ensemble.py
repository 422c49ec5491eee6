"""From a recipe to an ensemble's run and its submission: members that the store lacks are trained first."""

from __future__ import annotations

from pathlib import Path

from tagging.commands.select import arrays_of, tell_result
from tagging.commands.submit import write_submission
from tagging.commands.train import train
from tagging.config import lineage
from tagging.config.ensemble import ResolvedEnsemble
from tagging.ensemble.blend import Blend
from tagging.metrics import lwlrap
from tagging.progress import say, warn
from tagging.runs.finished import open_store
from tagging.runs.members import Ensemble, ensemble_of
from tagging.runs.predictions import OutOfFold, read_out_of_fold
from tagging.runs.sanity import CONSTANT, predicts_constant
from tagging.selection.candidates import comparable, seed_spread
from tagging.selection.ensemble_run import SelectionRecord, write_ensemble
from tagging.selection.recipe_checks import check_recipe
from tagging.tracking.ownership import link_launch
from tagging.tracking.store import Run, Store


def ensemble(resolved: ResolvedEnsemble, out: Path) -> Run:
    """Train what a recipe's members lack, blend them and write `out`, the submission, where there is a test half.

    The same command goes on where it was broken off: members that are finished are not trained again. Raises UserError
    as `check_recipe` does, before any training.
    """
    dataset = check_recipe(resolved, out)
    store = open_store()
    runs = _trained(resolved)
    _tell_shared(resolved, runs)
    weights: dict[str, int] = {}
    for run, weight in zip(runs, resolved.recipe.weights or [1] * len(runs), strict=True):
        weights[run.id] = weights.get(run.id, 0) + weight  # members whose settings are the same are one run
    distinct = list({run.id: run for run in runs}.values())
    made = ensemble_of(resolved.recipe.method, distinct, [weights[run.id] for run in distinct])
    oof = read_out_of_fold(store, made.runs)
    for member, said in zip(made.runs, oof.probabilities, strict=True):
        if predicts_constant(said, oof.folds):
            warn(f"{member.title}: {CONSTANT}")
    run = write_ensemble(store, resolved.recipe.name, made, oof, _record(store, resolved, made, oof, weights))
    link_launch(store, run)
    best = max(lwlrap(oof.truth, said) for said in oof.probabilities)
    together = lwlrap(oof.truth, made.blend(oof.probabilities))
    say(f"\nCV lwlrap {together:.4f}, that of the best member {best:.4f}")
    if len(dataset.test):
        write_submission(store, run, out, resolved.data)
    tell_result(store, run)
    return run


def _trained(resolved: ResolvedEnsemble) -> list[Run]:
    """Return the runs of all members, then of all stackers; each is trained unless it is finished."""
    total = len(resolved.members) + len(resolved.recipe.stackers)
    runs: list[Run] = []
    for name, experiment in resolved.members.items():
        say(f"\n{len(runs) + 1} of {total}: {name}")
        runs.append(train(experiment, resolved.lineages[name]))
    inputs = list(dict.fromkeys(run.id for run in runs))
    for name in resolved.recipe.stackers:
        say(f"\n{len(runs) + 1} of {total}: {name}, on the {len(inputs)} before")
        stacker = resolved.stacker(name, inputs)
        runs.append(train(stacker, lineage(name, stacker, resolved.set_stackers)))
    return runs


def _tell_shared(resolved: ResolvedEnsemble, runs: list[Run]) -> None:
    names: dict[str, list[str]] = {}
    for name, run in zip([*resolved.recipe.members, *resolved.recipe.stackers], runs, strict=True):
        names.setdefault(run.id, []).append(name)
    for run_id, shared in names.items():
        if len(shared) > 1:
            warn(f"{', '.join(shared)} have the same settings: they are one run ({run_id[:8]}) of their joint weight")


def _record(
    store: Store, resolved: ResolvedEnsemble, made: Ensemble, oof: OutOfFold, weights: dict[str, int]
) -> SelectionRecord:
    from tagging.ensemble.bootstrap import Bootstrap

    pool = arrays_of(made.runs, oof)
    blend = Blend(made.method, tuple(weights[run.id] for run in made.runs))
    (interval,) = Bootstrap(pool).intervals([blend])
    notes = f" {resolved.recipe.notes.strip()}" if resolved.recipe.notes else ""
    return SelectionRecord(
        how=f"by the recipe `{resolved.recipe.name}`: none was picked for its score on these clips.{notes}",
        params={"ensemble.recipe": resolved.recipe.name},
        metrics={"cv_lwlrap_low": interval.low, "cv_lwlrap_high": interval.high},
        seed_spread=seed_spread(comparable(store, made.runs[0])),
    )
