"""Arguments that several commands have."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tagging import RECIPE_VERSION, VERSION
from tagging.commandline import begin, exit_status, folder
from tagging.errors import UserError, nearest

if TYPE_CHECKING:
    from tagging.config import AnyRecipe

RUN_HELP = "a run's id, the beginning of it, or its name (the newest finished)"
SEVERAL = "one by one or with commas between them"


class Parser(argparse.ArgumentParser):
    """A parser whose errors list its commands, and suggest an argument for an unknown one."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse the arguments; argparse would leave those of a command that are unknown to the parser above it."""
        if self._subparsers and not (sys.argv[1:] if args is None else args):
            self.print_help(sys.stderr)
            self.exit(2)
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"there is no argument {unknown[0]}{self._meant(unknown[0].partition('=')[0])}")
        return parsed, unknown

    def _meant(self, unknown: str) -> str:
        options = self._option_string_actions
        if "--set" in options and unknown.startswith("--"):
            from tagging.config.problems import leaf_paths
            from tagging.config.schema import Experiment

            name = unknown.removeprefix("--").replace("-", "_")
            paths = [path for path in leaf_paths(Experiment) if name in (path, path.rpartition(".")[2])]
            if paths:
                return f"; give the field as --set {' or '.join(f'{path}=VALUE' for path in paths[:3])}"
        near = nearest(unknown.strip("-"), (option.strip("-") for option in options if option.startswith("--")))
        return f"; did you mean --{near}?" if near else f"; {self.prog} --help lists them"


def command_line(prog: str, description: str) -> tuple[Parser, Any]:
    """Return the parser of a program that has commands, and what `add_command` adds them to."""
    parser = Parser(prog=prog, usage=f"{prog} [-h] [--version] COMMAND ...", description=description)
    parser.add_argument(
        "--version",
        action="version",
        version=f"audio-tagging {VERSION}, recipe {RECIPE_VERSION}",
        help="print the version of the project and of the recipe",
    )
    commands = parser.add_subparsers(prog=prog, dest="command", required=True, metavar="COMMAND", title="commands")
    return parser, commands


def add_command(
    commands: Any, name: str, purpose: str, carry_out: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    """Add a command and return its parser; `purpose` is one sentence, `carry_out` takes what was parsed.

    argparse has no public type for `commands`.
    """
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose)
    parser.set_defaults(carry_out=carry_out)
    return parser


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, stopped: str) -> int:
    """Parse arguments, those of the process by default, and run their command; the rest as `exit_status`."""

    def command() -> None:
        parsed = parser.parse_args(arguments)
        parsed.carry_out(parsed)

    return exit_status(command, stopped)


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Add an experiment and what may differ from its file."""
    parser.add_argument("experiment", help="name of a file in experiments/, or the path of a YAML file")
    add_overrides(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add what may differ from an experiment's file."""
    parser.add_argument("--data", default="", metavar="FOLDER", help="the data set's folder")
    add_list(parser, "--set", "PATH=VALUE", "as optimizer.lr=1e-3 seed=1")
    parser.add_argument("--skip-unreadable", action="store_true", help="leave undecodable clips out")


def add_list(parser: argparse.ArgumentParser, name: str, value: str, purpose: str) -> None:
    """Add an option that takes one value or more, and may be given again to add to them; `value` is their metavar."""
    parser.add_argument(name, nargs="+", action="extend", default=[], metavar=value, help=purpose)


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
