"""The part of the command line that makes pages of runs and of data: report, compare, journal, look."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tagging.cli.arguments import RUN_HELP, SEVERAL, add_command, begin_reading, load_recipe
from tagging.commandline import at_least, begin, folder, importing, names
from tagging.tracking.place import tracking_uri


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line (argparse has no public type for these)."""
    purpose = "Make the report of a run again: one HTML file with players and charts."
    report = add_command(commands, "report", purpose, _report)
    report.add_argument("run", help=f"{RUN_HELP}; an experiment or a stacker: with the reports of its folds")
    report.add_argument("--out", default="", metavar="FOLDER", help="default: report.html among the run's files")
    report.add_argument("--data", default="", metavar="FOLDER", help="of the data set, where it moved since training")
    report.add_argument("--clips", type=at_least(0, 200), metavar="N", help="in each list; default: report.clips")

    purpose = "Compare runs on the same clips on one page, an HTML file."
    compare = add_command(commands, "compare", purpose, _compare)
    compare.add_argument("run", nargs="+", help=f"{RUN_HELP}; two or more, {SEVERAL}")
    compare.add_argument("--out", default="", metavar="FILE", help="default: ./compare.html")

    purpose = "Write the lab journal of the store, in Markdown and in HTML."
    journal = add_command(commands, "journal", purpose, _journal)
    journal.add_argument("--out", default="", metavar="FILE", help="default: ./journal.md and ./journal.html")

    purpose = "Look at a data set: a page of random clips of each class, before and after augmentation."
    look = add_command(commands, "look", purpose, _look)
    look.add_argument("data", metavar="FOLDER", help="the data set's folder")
    look.add_argument("--experiment", default="small", metavar="NAME", help="its log-mels and augmentation (small)")
    look.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="PATH=VALUE", help="as augment.noise.prob=1"
    )
    look.add_argument("--skip-unreadable", action="store_true", help="leave undecodable clips out")
    look.add_argument("--out", default="", metavar="FILE", help="default: ./look.html")
    look.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="which clips are shown (default 0)")
    look.add_argument("--clips", type=at_least(1, 50), metavar="N", help="a class; default: a page of about 40")


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


def _journal(parsed: argparse.Namespace) -> None:
    begin(f"the journal of {tracking_uri()}")
    with importing():
        from tagging.commands.journal import journal

    journal(Path(parsed.out or "journal"))


def _look(parsed: argparse.Namespace) -> None:
    from tagging.config.load import as_experiment
    from tagging.jobs.inputs import read_labelled

    experiment = as_experiment(load_recipe(parsed))
    begin_reading(experiment)
    labelled = read_labelled(experiment)  # all that is wrong with the data is said before torch is imported
    with importing():
        from tagging.commands.look import look

    look(experiment, labelled, Path(parsed.out or "look.html"), parsed.seed, parsed.clips)
