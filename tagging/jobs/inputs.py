"""What a job reads, and where it lies: folder, tables, label lists, initial weights.

Imports neither torch nor MLflow, so that errors in them are printed at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging import project
from tagging.config import AnyRecipe, Experiment, Recipe
from tagging.config.sections.data import Features, FolderData
from tagging.config.sections.models import TimmModel
from tagging.data.dataset import Dataset
from tagging.data.demo import make_demo
from tagging.data.label_lists import apply_corrections, read_label_list, select_noisy
from tagging.data.layouts import read_dataset
from tagging.errors import UserError, room_in
from tagging.features.settings import FrontEnd, LogMelSettings

MLFLOWS_OWN = "Default"
RESERVED = ("fname", "fold", "tile")  # columns beside the classes in tables of predictions


def data_folder(experiment: Recipe) -> Path:
    """Return the folder of the data set, made first where it is the demo."""
    if experiment.data.kind == "demo":
        demo = experiment.demo
        folder = project.root() / "data" / f"demo-{demo.seed}-{demo.curated}-{demo.noisy}-{demo.test}"
        with room_in(folder):
            make_demo(folder, demo.seed, demo.curated, demo.noisy, demo.test)
        return folder
    # a relative folder in an experiment's file is meant from the project's root
    return project.root() / Path(experiment.data.folder).expanduser()


def dataset_name(experiment: Recipe) -> str:
    """Return the name of the data set, that of its MLflow experiment; UserError for the one that MLflow has itself."""
    name = experiment.data.name or data_folder(experiment).resolve().name
    if name == MLFLOWS_OWN:
        raise UserError(
            f"the data set is called {name}, as MLflow's own experiment is, where `mlflow run` keeps its launches; "
            "give it another name with --set data.name=NAME"
        )
    return name


@dataclass(frozen=True)
class LabelLists:
    """The label lists, applied to all clips of the table, undecodable ones included."""

    paths: tuple[Path, ...]
    corrected: np.ndarray
    removed: np.ndarray
    trusted: np.ndarray
    dropped: np.ndarray
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """The clips of a data set, and the label lists of an experiment; a stacker reads its list later."""

    dataset: Dataset
    lists: LabelLists | None


def read_labelled(recipe: AnyRecipe) -> Labelled:
    """Read the data set of an experiment or a stacker, and the experiment's label lists.

    Raises UserError for a bad folder, table or list, all problems of a step at once.
    """
    folder = data_folder(recipe)
    published = project.root() / FolderData().folder
    if folder == published and not folder.exists():
        raise UserError(
            f"{folder}: there is no such folder; `python -m tagging download {folder.name}` fetches the data set, "
            "and --data FOLDER names one of your own"
        )
    dataset = read_dataset(folder, dataset_name(recipe))
    taken = [name for name in dataset.classes if name in RESERVED]
    if taken:
        raise UserError(
            f"{dataset.folder}: a class is called {taken[0]!r}, which is a column of the tables of predictions; "
            f"rename it ({', '.join(RESERVED)} are taken)"
        )
    return Labelled(dataset, read_lists(recipe, dataset) if isinstance(recipe, Experiment) else None)


def read_lists(recipe: AnyRecipe, dataset: Dataset) -> LabelLists:
    """Read the lists that a config names, none to two; UserError, all problems at once, where one does not fit."""
    curated, noisy, classes = dataset.curated, dataset.noisy, dataset.classes
    corrected, removed = curated.labels, np.zeros(len(curated), dtype=bool)
    trusted = dropped = np.zeros(len(noisy), dtype=bool)
    corrections = recipe.labels.corrections
    selection = recipe.labels.noisy_selection if isinstance(recipe, Experiment) else ""
    warnings: list[str] = []
    problems: list[str] = []
    if corrections:
        path = list_path(corrections, dataset.folder)
        try:
            corrected, removed, notes = apply_corrections(curated, classes, read_label_list(path), path)
            warnings += notes
        except UserError as error:
            problems += error.problems
    if selection:
        path = list_path(selection, dataset.folder)
        try:
            trusted, dropped, notes = select_noisy(noisy, classes, read_label_list(path), path)
            warnings += notes
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    paths = tuple(list_path(given, dataset.folder) for given in (corrections, selection) if given)
    return LabelLists(paths, corrected, removed, trusted, dropped, tuple(warnings))


def list_path(given: str, folder: Path) -> Path:
    """Find a list beside the data, else by its path from the project's root; one that is nowhere belongs beside."""
    path = Path(given).expanduser()
    return max((folder / path, project.root() / path), key=lambda place: (place.is_file(), place.exists()))


def initial_weights(experiment: Experiment) -> Path | None:
    """Return the file that a network's weights start from, None where there is none."""
    section = experiment.model
    if not isinstance(section, TimmModel) or not section.weights:
        return None
    # a relative path in an experiment's file is meant from the project's root
    return project.root() / Path(section.weights).expanduser()


def front_end_of(features: Features) -> FrontEnd:
    """Return the front end that a config describes."""
    return FrontEnd(LogMelSettings(**features.model_dump(exclude={"precision"})), features.precision)
