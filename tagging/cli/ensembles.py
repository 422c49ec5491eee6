"""The part of the command line that is about ensembles: select, ensemble."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from tagging.cli.arguments import SEVERAL, add_command
from tagging.commandline import at_least, begin, folder, given, importing, names, one_of

SEARCHES = ("enumerate", "greedy", "weights")


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line (argparse has no public type for these)."""
    _add_select(commands)
    _add_ensemble(commands)


def _add_select(commands: Any) -> None:
    parser = add_command(commands, "select", "Find the combination of the store's runs with the best CV.")
    parser.set_defaults(carry_out=_select)
    parser.add_argument("--data-set", default="", metavar="NAME", help="default: that of the newest candidate")
    parser.add_argument("--where", default="", metavar="FILTER", help='as "metrics.cv_lwlrap > 0.8"')
    parser.add_argument(
        "--runs", nargs="+", action="extend", default=[], metavar="RUN", help=f"among these alone, {SEVERAL}"
    )
    parser.add_argument("--min", type=given(at_least(1)), metavar="N", help="candidates needed (default 2)")
    means = one_of("both", "geometric", "arithmetic")
    parser.add_argument(
        "--method", type=means, default="both", metavar="MEAN", help="geometric, arithmetic, both (default)"
    )
    searches = one_of(*SEARCHES)
    ways = ", ".join(SEARCHES)
    parser.add_argument(
        "--search", type=searches, default="enumerate", metavar="HOW", help=f"{ways} (default enumerate)"
    )
    members = "members, fewest to most; one number is exactly that many (default: any number)"
    parser.add_argument("--size", type=sizes, default=(1, None), metavar="1..7", help=members)
    parser.add_argument(
        "--must", nargs="+", action="extend", default=[], metavar="RUN", help=f"always members, {SEVERAL}"
    )
    by = one_of("cv", "nested")
    parser.add_argument("--by", type=by, default="cv", metavar="NUMBER", help="cv or nested (default cv)")
    parser.add_argument("--name", default="", help="of the run (default: ensemble)")


def _add_ensemble(commands: Any) -> None:
    parser = add_command(commands, "ensemble", "Train the missing members of a recipe, and blend all.")
    parser.set_defaults(carry_out=_ensemble)
    parser.add_argument("recipe", help="name of a file in experiments/ensembles/, or the path of a YAML file")
    parser.add_argument("--data", default="", metavar="FOLDER", help="the data set's folder")
    overrides: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "PATH=VALUE"}
    parser.add_argument("--set", **overrides, help="of all members that are no stackers, as training.epochs=4")
    parser.add_argument("--set-stackers", **overrides, help="of all stackers, as model.base_size=16")
    parser.add_argument("--out", default="", metavar="FILE", help="of the submission (default: ./submission.csv)")


def sizes(text: str) -> tuple[int, int | None]:
    """Return the fewest and the most members that `1..7` or `3` allows; empty text: any number."""
    if not text:
        return 1, None
    found = re.fullmatch(r"([0-9]+)(?:\.\.([0-9]+))?", text)
    fewest, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= fewest <= most:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of members; give one of 1 or more, as 3, or the fewest and the most, as 1..7"
        )
    return fewest, most


def _select(parsed: argparse.Namespace) -> None:
    begin(f"looking for members among {', '.join(names(parsed.runs)) or 'the runs of the store'}")
    with importing():
        from tagging.commands.select import select
        from tagging.ensemble.pool import METHODS
        from tagging.ensemble.subsets import Limits
        from tagging.selection.settings import CandidateFilter, SelectionSettings

    asked = CandidateFilter(parsed.data_set, parsed.where, names(parsed.runs), names(parsed.must), parsed.min or 2)
    methods = METHODS if parsed.method == "both" else (parsed.method,)
    select(asked, SelectionSettings(methods, parsed.search, Limits(*parsed.size), parsed.by), parsed.name)


def _ensemble(parsed: argparse.Namespace) -> None:
    from tagging.config.ensemble import load_ensemble

    data = folder(parsed.data)
    resolved = load_ensemble(parsed.recipe, parsed.set, parsed.set_stackers, data)  # before anything heavy is imported
    begin(f"ensemble {resolved.recipe.name}: {', '.join([*resolved.members, *resolved.recipe.stackers])}")
    with importing():
        from tagging.commands.ensemble import ensemble

    ensemble(resolved, Path(parsed.out or "submission.csv"))
