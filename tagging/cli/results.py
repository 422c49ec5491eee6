"""The part of the command line on finished runs: submit, evaluate, kernel, live, select, ensemble, review."""

from __future__ import annotations

import argparse
import getpass
import re
from pathlib import Path
from typing import Any

from tagging.cli.arguments import RUN_HELP, SEVERAL, add_command, add_list, named_run
from tagging.commandline import at_least, begin, folder, given, importing, minutes, names, one_of
from tagging.errors import UserError


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line (argparse has no public type for these)."""
    submit = add_command(commands, "submit", "Write the submission of a run with test predictions.", _submit)
    submit.add_argument("--run", default="", help=f"{RUN_HELP}; default: the newest with test predictions")
    submit.add_argument("--out", default="", metavar="FILE", help="default: ./submission.csv")
    submit.add_argument("--data", default="", metavar="FOLDER", help="of the data set, where it moved since training")

    evaluate = add_command(
        commands, "evaluate", "Score runs, or a submission, against a table of true labels of test clips.", _evaluate
    )
    evaluate.add_argument("--truth", required=True, metavar="FILE", help="a CSV table with the columns fname,labels")
    add_list(evaluate, "--run", "RUN", f"{RUN_HELP}; several, {SEVERAL}, are compared")
    evaluate.add_argument("--submission", default="", metavar="FILE", help="a submission in place of a run")
    evaluate.add_argument("--group", default="", metavar="COLUMN", help="parts the clips; default: usage, if there")
    evaluate.add_argument("--out", default="", metavar="FILE", help="of several runs: default ./cv_against_test.png")

    kernel = add_command(
        commands, "kernel", "Pack a run into one Python file and its weights, for a machine without internet.", _kernel
    )
    kernel.add_argument("--run", required=True, help=RUN_HELP)
    kernel.add_argument("--out", default="", metavar="FOLDER", help="default: ./kernel")
    kernel.add_argument(
        "--train",
        nargs="?",
        const="yes",
        default="",
        choices=["", "no", "yes"],
        metavar="yes",
        help="pack the training of its folds in place of their weights",
    )
    kernel.add_argument(
        "--time-limit",
        type=minutes,
        metavar="MINUTES",
        help="the kernel's limit, unless its own command line gives one; networks that do not fit are left out",
    )

    live = add_command(
        commands, "live", "Tag sound as it comes: a page with the microphone, on this machine alone.", _live
    )
    live.add_argument("--run", required=True, help=RUN_HELP)
    live.add_argument("--port", type=at_least(1, 65535), default=8091, metavar="N", help="default 8091")
    live.add_argument("--no-browser", action="store_true", help="only print the address")

    select = add_command(commands, "select", "Find the combination of the store's runs with the best CV.", _select)
    select.add_argument("--data-set", default="", metavar="NAME", help="default: that of the newest candidate")
    select.add_argument("--where", default="", metavar="FILTER", help='as "metrics.cv_lwlrap > 0.8"')
    add_list(select, "--runs", "RUN", f"among these alone, {SEVERAL}")
    select.add_argument("--min", type=given(at_least(1)), metavar="N", help="candidates needed (default 2)")
    means = one_of("both", "geometric", "arithmetic")
    select.add_argument(
        "--method", type=means, default="both", metavar="MEAN", help="geometric, arithmetic, both (default)"
    )
    searches = ("enumerate", "greedy", "weights")
    ways = f"{', '.join(searches)} (default enumerate)"
    select.add_argument("--search", type=one_of(*searches), default="enumerate", metavar="HOW", help=ways)
    members = "members, fewest to most; one number is exactly that many (default: any number)"
    select.add_argument("--size", type=sizes, default=(1, None), metavar="1..7", help=members)
    add_list(select, "--must", "RUN", f"always members, {SEVERAL}")
    by = one_of("cv", "nested")
    select.add_argument("--by", type=by, default="cv", metavar="NUMBER", help="cv or nested (default cv)")
    select.add_argument("--name", default="", help="of the run (default: ensemble)")

    ensemble = add_command(commands, "ensemble", "Train the missing members of a recipe, and blend all.", _ensemble)
    ensemble.add_argument("recipe", help="name of a file in experiments/ensembles/, or the path of a YAML file")
    ensemble.add_argument("--data", default="", metavar="FOLDER", help="the data set's folder")
    add_list(ensemble, "--set", "PATH=VALUE", "of all members that are no stackers, as training.epochs=4")
    add_list(ensemble, "--set-stackers", "PATH=VALUE", "of all stackers, as model.base_size=16")
    ensemble.add_argument("--out", default="", metavar="FILE", help="of the submission (default: ./submission.csv)")

    review = add_command(
        commands, "review", "Listen to suspicious clips on a page, and decide about their labels.", _review
    )
    review.add_argument("run", nargs="+", help=f"{RUN_HELP}; several, {SEVERAL}, show where they disagree")
    review.add_argument("--out", default="corrections.json", metavar="FILE", help="default: ./corrections.json")
    noisy = "of noisy clips; default: ./noisy_selection.json"
    review.add_argument("--noisy-out", default="noisy_selection.json", metavar="FILE", help=noisy)
    review.add_argument("--who", default="", metavar="NAME", help="who decides; default: the login name")
    add_list(review, "--merge", "FILE", "label lists of others to take over")
    review.add_argument("--data", default="", metavar="FOLDER", help="of the data set, where it moved since training")
    review.add_argument("--port", type=at_least(1, 65535), default=8090, metavar="N", help="default 8090")
    review.add_argument("--browser", action="store_true", help="open the page in a browser")


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


def _submit(parsed: argparse.Namespace) -> None:
    begin(f"submission of {f'run {parsed.run}' if parsed.run else 'the newest run with test predictions'}")
    with importing():
        from tagging.commands.submit import submit

    submit(parsed.run, Path(parsed.out or "submission.csv"), folder(parsed.data))


def _evaluate(parsed: argparse.Namespace) -> None:
    runs = names(parsed.run)
    problems = (
        [] if parsed.truth else ["no truth is named; give --truth FILE: a CSV table with the columns fname,labels"]
    )
    if bool(runs) == bool(parsed.submission):
        problems.append("give either --run RUN, one or several, or --submission FILE")
    if problems:
        raise UserError(*problems)
    begin(f"scoring {parsed.submission or ', '.join(runs)} against {parsed.truth}")
    from tagging.data.truth import check_is_table

    check_is_table(Path(parsed.truth))  # before MLflow is imported
    with importing():
        from tagging.commands.evaluate import evaluate_runs, evaluate_submission

    if parsed.submission:
        evaluate_submission(Path(parsed.truth), Path(parsed.submission), parsed.group)
    else:
        evaluate_runs(Path(parsed.truth), runs, parsed.group, Path(parsed.out) if parsed.out else None)


def _kernel(parsed: argparse.Namespace) -> None:
    run, out = named_run(parsed), Path(parsed.out or "kernel")
    begin(f"packing run {run} into {out}")
    from tagging.packing.folder import check_folder

    check_folder(out)  # before MLflow is imported
    with importing():
        from tagging.commands.kernel import pack

    pack(run, out, parsed.time_limit, train=parsed.train == "yes")


def _live(parsed: argparse.Namespace) -> None:
    run = named_run(parsed)
    begin(f"starting the live page of run {run} ...")
    with importing():
        from tagging.commands.live import live

    live(run, parsed.port, not parsed.no_browser)


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


def _review(parsed: argparse.Namespace) -> None:
    runs = names(parsed.run)
    if not runs:
        raise UserError("no run is named; `show runs` lists them")
    begin(f"reviewing the labels of {', '.join(runs)}")
    with importing():
        from tagging.commands.review import review

    review(
        runs,
        Path(parsed.out),
        Path(parsed.noisy_out),
        parsed.who or getpass.getuser(),
        [Path(text) for text in parsed.merge],
        parsed.port,
        parsed.browser,
        folder(parsed.data),
    )
