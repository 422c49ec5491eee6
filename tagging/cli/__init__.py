"""The command line: parse, load the config, call one command. Imports nothing heavy until then."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tagging.cli import pages, project, results, training
from tagging.cli.arguments import command_line, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 2 for an error the user can mend, 130 when interrupted."""
    return run_command(parser(), arguments, "the same command continues from what is finished")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    whole, commands = command_line(
        "python -m tagging", "Train audio taggers over folds, with every run tracked in MLflow."
    )
    for group in (training, results, pages, project):
        group.add_parsers(commands)
    return whole
