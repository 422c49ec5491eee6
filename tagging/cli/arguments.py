"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tagging.commandline import begin, folder
from tagging.errors import UserError

if TYPE_CHECKING:
    from tagging.config import AnyRecipe

RUN_HELP = "a run's id, the beginning of it, or its name (the newest finished)"
SEVERAL = "one by one or with commas between them"


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Add an experiment and what may differ from its file."""
    parser.add_argument("experiment", help="name of a file in experiments/, or the path of a YAML file")
    add_overrides(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add what may differ from an experiment's file."""
    parser.add_argument("--data", default="", metavar="FOLDER", help="the data set's folder")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH=VALUE",
        help="as optimizer.lr=1e-3 seed=1",
    )
    parser.add_argument("--skip-unreadable", action="store_true", help="leave undecodable clips out")


def overrides(parsed: argparse.Namespace) -> list[str]:
    """Return the overrides that are given."""
    skip = ["data.skip_unreadable=true"] if parsed.skip_unreadable else []
    return [*parsed.set, *skip]


def named_run(parsed: argparse.Namespace) -> str:
    """Return the run that is named; UserError where `mlflow run` hands over an empty text."""
    if not parsed.run:
        raise UserError("no run is named; give --run RUN: an id, its beginning, or a name (`show runs` lists them)")
    return str(parsed.run)


def begin_reading(recipe: AnyRecipe) -> None:
    """Say whose data set is read first of all."""
    data = recipe.data
    begin(f"{recipe.name}: reading {'the demo sound' if data.kind == 'demo' else data.folder}")


def load_recipe(parsed: argparse.Namespace) -> AnyRecipe:
    """Load the experiment that is named, with its overrides; errors as `tagging.config.load`."""
    from tagging.config import load

    return load(parsed.experiment, overrides(parsed), folder(parsed.data))
