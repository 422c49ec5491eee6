"""From a recipe to an ensemble's run and its submission: missing members are trained first."""

from __future__ import annotations

from pathlib import Path

from tagging.commands.select import tell_result
from tagging.commands.submit import write_submission
from tagging.commands.train import train
from tagging.config import lineage
from tagging.config.ensemble import ResolvedEnsemble
from tagging.metrics import lwlrap
from tagging.progress import say
from tagging.runs.finished import open_store
from tagging.runs.predictions import read_out_of_fold
from tagging.selection.ensemble_run import write_ensemble
from tagging.selection.recipe import check_recipe, ensemble_of_recipe, record_of_recipe
from tagging.tracking.ownership import link_launch
from tagging.tracking.store import Run


def ensemble(resolved: ResolvedEnsemble, out: Path) -> Run:
    """Train the missing members of a recipe, blend all and write `out`, the submission, where there are test clips.

    The same command continues what was interrupted: members that are finished are not trained again. Raises UserError
    as `check_recipe` does, before any training.
    """
    dataset = check_recipe(resolved, out)
    store = open_store()
    made, blend = ensemble_of_recipe(resolved, _trained(resolved))
    oof = read_out_of_fold(store, made.runs)
    run = write_ensemble(store, resolved.recipe.name, made, oof, record_of_recipe(store, resolved, made, blend, oof))
    link_launch(store, run)
    best = max(lwlrap(oof.truth, one) for one in oof.probabilities)
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
