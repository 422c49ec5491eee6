"""What dooms an ensemble's recipe, told before days of training: data, tiles, label lists, a bad place to write to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tagging.config import AnyRecipe, Stacker, flatten
from tagging.config.ensemble import ResolvedEnsemble
from tagging.config.load import leaf_text
from tagging.data.dataset import Dataset
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tagging.jobs.base_runs import GRID
from tagging.jobs.inputs import data_folder, dataset_name, read_lists
from tagging.kernel.main import check_writable

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
