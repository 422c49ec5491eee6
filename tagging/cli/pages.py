"""The part of the command line that makes pages of runs: report, compare."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tagging.cli.arguments import RUN_HELP, SEVERAL, add_command
from tagging.commandline import at_least, begin, folder, importing, names


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line (argparse has no public type for these)."""
    purpose = "Make the report of a run again: one HTML file with players and charts."
    report = add_command(commands, "report", purpose, _report)
    report.add_argument("run", help=f"{RUN_HELP}; that of an experiment or a stacker brings those of its folds")
    report.add_argument("--out", default="", metavar="FOLDER", help="default: report.html among the run's files")
    report.add_argument("--data", default="", metavar="FOLDER", help="of the data set, where it moved since training")
    report.add_argument("--clips", type=at_least(0, 200), metavar="N", help="in each list; default: report.clips")

    purpose = "Compare runs on the same clips on one page, an HTML file."
    compare = add_command(commands, "compare", purpose, _compare)
    compare.add_argument("run", nargs="+", help=f"{RUN_HELP}; two or more, {SEVERAL}")
    compare.add_argument("--out", default="", metavar="FILE", help="default: ./compare.html")


def _report(parsed: argparse.Namespace) -> None:
    begin(f"report of run {parsed.run}")
    with importing():
        from tagging.commands.report import report

    report(parsed.run, folder(parsed.out), folder(parsed.data), parsed.clips)


def _compare(parsed: argparse.Namespace) -> None:
    runs = names(parsed.run)
    begin(f"comparing {', '.join(runs)}")
    with importing():
        from tagging.commands.report import compare

    compare(runs, Path(parsed.out or "compare.html"))
