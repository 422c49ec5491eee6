"""The command line: parse, load the config, call one command. Imports nothing heavy until then."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tagging.cli import ensembles, project, results, training
from tagging.cli.arguments import command_line
from tagging.commandline import exit_status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 2 for an error the user can mend, 130 when interrupted."""
    return exit_status(lambda: _carry_out(arguments), "the same command continues from what is finished")


def _carry_out(arguments: Sequence[str] | None) -> None:
    parsed = parser().parse_args(arguments)
    parsed.carry_out(parsed)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; the arguments that it parses have `carry_out`, which runs the command."""
    whole, commands = command_line(
        "python -m tagging", "Train audio taggers over folds, with every run tracked in MLflow."
    )
    for group in (training, results, ensembles, project):
        group.add_parsers(commands)
    return whole
