"""The command line of the search: parse, load the space, call one command, which imports what it needs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from tagging.cli.arguments import add_command, add_list, command_line, run_command
from tagging.commandline import at_least, begin, folder, given, importing
from tagging.errors import UserError
from tagging.report.wording import count

SWEEP_HELP = "a sweep's id, the beginning of it, or its name"
# options that a sweep keeps from its beginning: other values would make it another sweep
_OF_A_NEW_SWEEP = ("experiment", "data", "set", "name", "seed", "folds")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 2 for an error the user can mend, 130 when interrupted."""
    return run_command(parser(), arguments, "start the same command again")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    whole, commands = command_line(
        "python -m tune", "Search an experiment's fields with Ray Tune; each trial is a cross-validation."
    )

    search = add_command(commands, "search", "Begin a sweep over a space, or continue one.", _search)
    search.add_argument(
        "space", nargs="?", default="", help="name of a file in tune/spaces/, or the path of a YAML file"
    )
    search.add_argument("--resume", default="", metavar="SWEEP", help=SWEEP_HELP)
    search.add_argument("--trials", type=given(at_least(1)), metavar="N", help="trials of the whole sweep, at most")
    search.add_argument("--experiment", default="", metavar="NAME", help="experiment instead of the space's")
    search.add_argument("--data", default="", metavar="FOLDER", help="the data set's folder")
    add_list(search, "--set", "PATH=VALUE", "fields of all trials, as training.epochs=9")
    search.add_argument("--name", default="", help="name of the sweep (default: the space's)")
    search.add_argument("--seed", type=given(at_least(0)), metavar="N", help="seed of the searcher")
    search.add_argument("--folds", default="", metavar="0,1", help="folds of each trial, or all")
    search.add_argument("--cpu", type=given(at_least(1)), metavar="N", help="CPU cores of a trial")
    search.add_argument("--gpu", type=given(_share), metavar="X", help="GPUs of a trial; 0.25: four share one; auto")
    search.add_argument("--at-once", type=given(at_least(0)), metavar="N", help="trials at a time; 0: as many as fit")
    search.add_argument(
        "--address", type=_address, default="", metavar="ADDR", help="join a Ray cluster: auto, or HOST:PORT"
    )

    promote = add_command(commands, "promote", "Write a trial of a sweep as an experiment file.", _promote)
    promote.add_argument("sweep", help=SWEEP_HELP)
    promote.add_argument("--trial", default="best", metavar="N", help="its number (default: best)")
    promote.add_argument("--name", default="", help="name of the file in experiments/ (default: SWEEP_NUMBER)")

    report = add_command(commands, "report", "Make the report of a sweep again: one HTML file with charts.", _report)
    report.add_argument("sweep", help=SWEEP_HELP)
    report.add_argument("--out", default="", metavar="FOLDER", help="default: report.html among the run's files")

    add_command(commands, "spaces", "List the search spaces of tune/spaces/.", _spaces)
    return whole


def _share(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < math.inf or (number > 1 and number % 1):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a share of a GPU, such as 0.25, a whole number of them, or auto"
        )
    return number


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if text not in ("", "auto") and not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor HOST:PORT, such as head:6379")
    return text


def _search(parsed: argparse.Namespace) -> None:
    if bool(parsed.space) == bool(parsed.resume):
        raise UserError(
            "give a space, or --resume SWEEP to continue a sweep, and not both; `python -m tune spaces` lists spaces"
        )
    if parsed.resume:
        _resume(parsed)
        return
    from tune.check import check_space
    from tune.space import load_space, trials_of

    given = _given(parsed)
    space = load_space(parsed.space, given)
    data = folder(parsed.data)
    check_space(space, data)  # before torch and Ray are imported
    begin(f"sweep {parsed.name or space.name}: {count(trials_of(space), 'trial')} of {Path(space.experiment).stem}")
    from tagging.jobs.inputs import read_labelled
    from tune.session import check_start
    from tune.space import some_trial

    check_start(space.resources.cpu, space.resources.gpu, parsed.address)
    labelled = read_labelled(some_trial(space, data))
    with importing():
        from tune.sweep import search

    search(space, given, data, parsed.name, parsed.address, labelled)


def _resume(parsed: argparse.Namespace) -> None:
    fixed = [f"--{name}" for name in _OF_A_NEW_SWEEP if getattr(parsed, name) not in ("", None, [], [""])]
    if fixed:
        raise UserError(f"--resume continues a sweep as it was begun; leave out {', '.join(fixed)}")
    begin(f"looking for the sweep {parsed.resume}")
    with importing():
        from tune.sweep import resume

    resume(parsed.resume, _given(parsed), parsed.address)


def _given(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a space that the command line gives."""
    resources = {name: getattr(parsed, name) for name in ("cpu", "gpu", "at_once")}
    changes: dict[str, Any] = {
        "trials": parsed.trials,
        "resources": {name: value for name, value in resources.items() if value is not None},
        "experiment": parsed.experiment or None,
        "seed": parsed.seed,
        "set": _fixed(parsed.set),
    }
    if parsed.folds:
        changes["folds"] = [] if parsed.folds == "all" else parsed.folds.replace(",", " ").split()
    return {name: value for name, value in changes.items() if value not in (None, {})}


def _fixed(texts: list[str]) -> dict[str, str]:
    """Return overrides as paths and texts."""
    from tagging.config.load import leaf_text
    from tagging.config.tree import read_overrides

    tree, origins = read_overrides(texts)
    values = {path: reduce(lambda section, key: section[key], path.split("."), tree) for path in origins}
    return {path: value if isinstance(value, str) else leaf_text(value) for path, value in values.items()}


def _promote(parsed: argparse.Namespace) -> None:
    begin(f"looking for the sweep {parsed.sweep}")
    with importing():
        from tagging.tracking.store import Store
        from tune.promote import promote

    path, command = promote(Store.connect(), parsed.sweep, parsed.trial, parsed.name)
    print(f"wrote {path}; train it with `{command}`")


def _report(parsed: argparse.Namespace) -> None:
    begin(f"report of the sweep {parsed.sweep}")
    with importing():
        from tune.report import report_again

    report_again(parsed.sweep, folder(parsed.out))


def _spaces(_: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from tune.space import load_space, space_names

    table = Table("space", "experiment", "what is searched", "trials", box=None, pad_edge=False)
    for name in space_names():
        space = load_space(name)
        table.add_row(name, Path(space.experiment).stem, ", ".join(space.space), str(space.trials))
    Console().print(table)
