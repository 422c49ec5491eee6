"""The command line: parse, load the config, call one command. Imports nothing heavy until then."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tagging.cli import ensembles, project, results, training
from tagging.cli.arguments import Parser, add_version
from tagging.commandline import exit_status

DESCRIPTION = """\
Train audio taggers over folds, with every run tracked in MLflow.

  train NAME            train the folds of an experiment or of a stacker
  features NAME         compute its log-mels ahead of training
  predict --run RUN     predict its own clips again, or tag a FOLDER of sound
  submit --run RUN      write ./submission.csv
  select                find the store's best ensemble, and keep it as a run
  ensemble RECIPE       train a recipe's members and blend them
  evaluate --truth FILE score runs or a submission against labels of test clips
  kernel --run RUN      pack it into one file, for a machine without internet
  download NAME         fetch a public data set: fsdkaggle2019
  demo FOLDER           write synthetic sound to try things on
  show ...              experiment NAME, schema [FIELD], runs
  ui                    open the MLflow UI on the project's store
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 2 for an error the user can mend, 130 when interrupted."""
    return exit_status(lambda: _carry_out(arguments), "the same command continues from what is finished")


def _carry_out(arguments: Sequence[str] | None) -> None:
    parsed = parser().parse_args(arguments)
    parsed.carry_out(parsed)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; the arguments that it parses have `carry_out`, which runs the command."""
    whole = Parser(
        prog="python -m tagging",
        usage="python -m tagging [-h] [--version] COMMAND ...",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version(whole)
    commands = whole.add_subparsers(
        prog=whole.prog, dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS
    )
    for group in (training, results, ensembles, project):
        group.add_parsers(commands)
    return whole
