"""The part of the command line that makes something of finished runs: submit, evaluate, kernel."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tagging.cli.arguments import RUN_HELP, SEVERAL, add_command, named_run
from tagging.commandline import begin, folder, importing, minutes, names
from tagging.errors import UserError


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line (argparse has no public type for these)."""
    submit = add_command(commands, "submit", "Write the submission of a run with test predictions.")
    submit.set_defaults(carry_out=_submit)
    submit.add_argument("--run", default="", help=f"{RUN_HELP}; default: the newest with test predictions")
    submit.add_argument("--out", default="", metavar="FILE", help="default: ./submission.csv")
    submit.add_argument("--data", default="", metavar="FOLDER", help="of the data set, where it moved since training")

    evaluate = add_command(
        commands,
        "evaluate",
        "Score runs, or a submission, against a table of true labels of test clips.",
    )
    evaluate.set_defaults(carry_out=_evaluate)
    evaluate.add_argument("--truth", required=True, metavar="FILE", help="a CSV table with the columns fname,labels")
    evaluate.add_argument(
        "--run", nargs="+", action="extend", default=[], help=f"{RUN_HELP}; several, {SEVERAL}, are compared"
    )
    evaluate.add_argument("--submission", default="", metavar="FILE", help="a submission in place of a run")
    evaluate.add_argument("--group", default="", metavar="COLUMN", help="parts the clips; default: usage, if there")
    evaluate.add_argument("--out", default="", metavar="FILE", help="of several runs: default ./cv_against_test.png")

    kernel = add_command(
        commands, "kernel", "Pack a run into one Python file and its weights, for a machine without internet."
    )
    kernel.set_defaults(carry_out=_kernel)
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
