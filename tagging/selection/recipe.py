"""The recipe of an ensemble: what is checked before days of training, and the ensemble that its trained runs make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tagging.config import AnyRecipe, Stacker, flatten
from tagging.config.ensemble import ResolvedEnsemble
from tagging.config.load import leaf_text
from tagging.contract import Metric
from tagging.data.dataset import Dataset
from tagging.data.layouts import read_dataset
from tagging.ensemble.blend import Blend
from tagging.errors import UserError
from tagging.jobs.base_runs import GRID
from tagging.jobs.inputs import data_folder, dataset_name, read_lists
from tagging.kernel.main import check_writable
from tagging.progress import warn
from tagging.runs.finished import comparable
from tagging.runs.members import Ensemble, ensemble_of
from tagging.runs.predictions import OutOfFold
from tagging.runs.result import CONSTANT, predicts_constant, seed_spread
from tagging.selection.candidates import arrays_of
from tagging.selection.ensemble_run import SelectionRecord
from tagging.tracking.store import Run, Store

SAME_CLIPS = ("data.", "demo.", "folds.")  # the sections that all members have in common


def check_recipe(resolved: ResolvedEnsemble, out: Path) -> Dataset:
    """Return the data set of all members and stackers.

    Raises UserError, all problems of a step at once, where members have other clips or folds, or tiles that no stacker
    could join; where a stacker has other data; where a label list does not fit, or `out`, the submission, cannot be
    written.
    """
    stackers = {name: resolved.stacker(name, resolved.recipe.members) for name in resolved.recipe.stackers}
    if problems := _differences(resolved):
        raise UserError(*problems, "members have these in common: give them with --set, or name other members")
    if problems := _other_data(resolved, stackers):
        raise UserError(*problems, "a stacker's data are its members': give --data, or --set and --set-stackers alike")
    experiment = next(iter(resolved.members.values()))
    dataset = read_dataset(data_folder(experiment), dataset_name(experiment))
    problems = _unfit_lists({**resolved.members, **stackers}, dataset)
    try:
        if len(dataset.test):
            check_writable(out)
    except UserError as error:
        problems += error.problems
    if problems:
        raise UserError(*problems)
    return dataset


def _differences(resolved: ResolvedEnsemble) -> list[str]:
    """Say in which of the settings that all must share a member differs from the first."""
    wanted = (*SAME_CLIPS, *(GRID if resolved.recipe.stackers else ()))
    shared = {
        name: {path: leaf_text(value) for path, value in flatten(member).items() if path.startswith(wanted)}
        for name, member in resolved.members.items()
    }
    first = next(iter(shared))
    return [
        f"{path} is {shared[first].get(path, 'not there')} in {first}, {own.get(path, 'not there')} in {name}"
        for name, own in shared.items()
        for path in dict.fromkeys([*shared[first], *own])
        if shared[first].get(path) != own.get(path)
    ]


def _other_data(resolved: ResolvedEnsemble, stackers: Mapping[str, Stacker]) -> list[str]:
    """Say which stackers read other data than the members."""
    first, experiment = next(iter(resolved.members.items()))
    folder, name = data_folder(experiment), dataset_name(experiment)
    return [
        f"{first} reads {folder} as data set {name}, {stacker} {data_folder(recipe)} as {dataset_name(recipe)}"
        for stacker, recipe in stackers.items()
        if (data_folder(recipe).resolve(), dataset_name(recipe)) != (folder.resolve(), name)
    ]


def _unfit_lists(recipes: Mapping[str, AnyRecipe], dataset: Dataset) -> list[str]:
    """Say which label lists do not fit, each once, and who names it."""
    problems: dict[str, list[str]] = {}
    for name, recipe in recipes.items():
        try:
            read_lists(recipe, dataset)
        except UserError as error:
            for problem in error.problems:
                problems.setdefault(problem, []).append(name)
    return [f"{', '.join(names)}: {problem}" for problem, names in problems.items()]


def ensemble_of_recipe(resolved: ResolvedEnsemble, runs: Sequence[Run]) -> tuple[Ensemble, Blend]:
    """Return the ensemble of the runs of all members, then of all stackers, and its blend in the order of its members.

    Experiments with the same settings are one run, of their joint weight, which a warning tells.
    """
    recipe = resolved.recipe
    names: dict[str, list[str]] = {}
    weights: dict[str, int] = {}
    for name, run, weight in zip(
        [*recipe.members, *recipe.stackers], runs, recipe.weights or [1] * len(runs), strict=True
    ):
        names.setdefault(run.id, []).append(name)
        weights[run.id] = weights.get(run.id, 0) + weight
    for run_id, shared in names.items():
        if len(shared) > 1:
            warn(f"{', '.join(shared)} have the same settings: they are one run ({run_id[:8]}) of their joint weight")
    ensemble = ensemble_of(recipe.method, list({run.id: run for run in runs}.values()), list(weights.values()))
    return ensemble, Blend(recipe.method, tuple(weights[run.id] for run in ensemble.runs))


def record_of_recipe(
    store: Store, resolved: ResolvedEnsemble, ensemble: Ensemble, blend: Blend, oof: OutOfFold
) -> SelectionRecord:
    """Return what the run of a recipe's ensemble keeps of it; a warning names members that learnt nothing."""
    from tagging.ensemble.bootstrap import Bootstrap  # with torch

    for member, probabilities in zip(ensemble.runs, oof.probabilities, strict=True):
        if predicts_constant(probabilities, oof.folds):
            warn(f"{member.title}: {CONSTANT}")
    (interval,) = Bootstrap(arrays_of(ensemble.runs, oof)).intervals([blend])
    notes = f" {resolved.recipe.notes.strip()}" if resolved.recipe.notes else ""
    return SelectionRecord(
        how=f"by the recipe `{resolved.recipe.name}`: none was picked for its score on these clips.{notes}",
        params={"ensemble.recipe": resolved.recipe.name},
        metrics={Metric.CV_LOW: interval.low, Metric.CV_HIGH: interval.high},
        seed_spread=seed_spread(comparable(store, ensemble.runs[0])),
    )
