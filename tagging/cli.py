"""The command line: parse, load the config, call one command. Imports nothing heavy until then."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tagging import cli_ensembles
from tagging.commandline import at_least, exit_status, folder, minutes
from tagging.errors import UserError

if TYPE_CHECKING:
    from tagging.config import AnyRecipe

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
  show ...              experiment NAME, schema, runs
  ui                    open the MLflow UI on the project's store
"""
RUN_HELP = "a run's id, the beginning of it, or its name (the newest finished)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 2 for an error the user can mend, 130 when interrupted."""
    parsed = _parser().parse_args(arguments)
    return exit_status(lambda: COMMANDS[parsed.command](parsed), "the same command goes on from what is finished")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tagging",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS)

    train = commands.add_parser("train", description="Train the folds of an experiment or of a stacker.")
    _experiment_arguments(train)
    train.add_argument("--again", action="store_true", help="train anew what is finished already")

    features = commands.add_parser("features", description="Compute the log-mels of an experiment's data set.")
    _experiment_arguments(features)

    predict = commands.add_parser(
        "predict",
        description="Predict a run's own clips again, or tag the sound in FOLDER with all its folds.",
    )
    predict.add_argument("folder", nargs="?", default="", help="new sound: a folder, or one file")
    predict.add_argument("--run", required=True, help=RUN_HELP)
    predict.add_argument("--out", default="", metavar="FILE", help="write all probabilities of FOLDER as CSV")
    predict.add_argument("--top", type=at_least(1), default=3, metavar="N", help="classes shown a clip (default 3)")
    _override_arguments(predict)

    submit = commands.add_parser("submit", description="Write the submission of a run with test predictions.")
    submit.add_argument("--run", default="", help=f"{RUN_HELP}; default: the newest with test predictions")
    submit.add_argument("--out", default="", metavar="FILE", help="default: ./submission.csv")
    submit.add_argument("--data", default="", metavar="FOLDER", help="of the data set, where it moved since training")

    cli_ensembles.add_parsers(commands)

    evaluate = commands.add_parser(
        "evaluate",
        description="Score runs, or a submission, against a table of true labels of test clips.",
    )
    evaluate.add_argument("--truth", required=True, metavar="FILE", help="a CSV table with the columns fname,labels")
    evaluate.add_argument(
        "--run", nargs="+", default=[], help="an id, its beginning, or a name without blanks; several are compared"
    )
    evaluate.add_argument("--submission", default="", metavar="FILE", help="a submission in place of a run")
    evaluate.add_argument("--group", default="", metavar="COLUMN", help="parts the clips; default: usage, if there")
    evaluate.add_argument("--out", default="", metavar="FILE", help="of several runs: default ./cv_against_test.png")

    kernel = commands.add_parser(
        "kernel", description="Pack a run into one Python file and its weights, for a machine without internet."
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
        help="that the kernel keeps to, unless it is told otherwise; networks that do not fit are left out",
    )

    download = commands.add_parser("download", description="Fetch a public data set and lay it out for training.")
    download.add_argument("name", choices=["fsdkaggle2019"], help="fsdkaggle2019: Zenodo record 3612637")
    download.add_argument("--data", default="", metavar="FOLDER", help="default: data/fsdkaggle2019 in the project")
    download.add_argument("--dry-run", action="store_true", help="only list files, sizes and the space needed")
    download.add_argument("--api", default="", metavar="URL", help="another address of the record's JSON")

    demo = commands.add_parser("demo", description="Write synthetic sound in the layout of FSDKaggle2019.")
    demo.add_argument("folder", help="folder to make")
    demo.add_argument("--seed", type=at_least(0), default=0)

    show = commands.add_parser("show", description="Show experiments, the schema, or the runs of the store.")
    topics = show.add_subparsers(dest="topic", required=True, metavar="TOPIC")
    topic = topics.add_parser("experiment", help="every field of an experiment, as YAML")
    _experiment_arguments(topic)
    topics.add_parser("schema", help="every field there is, with its range and meaning")
    runs = topics.add_parser("runs", help="the newest runs and their scores")
    runs.add_argument("--limit", type=at_least(1), default=20, metavar="N", help="how many (default 20)")

    ui = commands.add_parser("ui", description="Open the stock MLflow UI on the project's store, on this machine.")
    ui.add_argument("--port", type=at_least(1, 65535), default=5000, metavar="N", help="default 5000")
    ui.add_argument(
        "--host",
        choices=["127.0.0.1", "0.0.0.0"],
        default="127.0.0.1",
        help="0.0.0.0 in a container whose port is published; browsers are let in by 127.0.0.1 and localhost alone",
    )
    ui.add_argument("--no-browser", action="store_true", help="only print the address")
    return parser


def _experiment_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", help="name of a file in experiments/, or the path of a YAML file")
    _override_arguments(parser)


def _override_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="", metavar="FOLDER", help="the data set's folder")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH=VALUE",
        help="as optimizer.lr=1e-3 seed=1",
    )
    parser.add_argument("--skip-unreadable", action="store_true", help="leave undecodable clips out")


def _overrides(parsed: argparse.Namespace) -> list[str]:
    skip = ["data.skip_unreadable=true"] if parsed.skip_unreadable else []
    return [*parsed.set, *skip]


def _load(parsed: argparse.Namespace) -> AnyRecipe:
    from tagging.config import load

    return load(parsed.experiment, _overrides(parsed), folder(parsed.data))


def _train(parsed: argparse.Namespace) -> None:
    experiment = _load(parsed)  # a misspelt field fails before anything heavy is imported
    from tagging.commands.train import train
    from tagging.config import lineage

    train(experiment, lineage(parsed.experiment, experiment, _overrides(parsed)), parsed.again)


def _features(parsed: argparse.Namespace) -> None:
    experiment = _load(parsed)
    from tagging.commands.features import features
    from tagging.config.load import as_experiment

    features(as_experiment(experiment))


def _predict(parsed: argparse.Namespace) -> None:
    from tagging.commands.predict import predict_again, tag_folder

    if parsed.folder:
        out = Path(parsed.out) if parsed.out else None
        tag_folder(parsed.run, Path(parsed.folder), out, parsed.top, parsed.set)
    else:
        predict_again(parsed.run, _overrides(parsed), folder(parsed.data))


def _submit(parsed: argparse.Namespace) -> None:
    from tagging.commands.submit import submit

    submit(parsed.run, Path(parsed.out or "submission.csv"), folder(parsed.data))


def _evaluate(parsed: argparse.Namespace) -> None:
    # as one text, too, since a parameter of `mlflow run` is one
    runs = [text for given in parsed.run for text in given.split()]
    if bool(runs) == bool(parsed.submission):
        raise UserError("give either --run RUN, one or several, or --submission FILE")
    from tagging.commands.evaluate import evaluate_runs, evaluate_submission

    if parsed.submission:
        evaluate_submission(Path(parsed.truth), Path(parsed.submission), parsed.group)
    else:
        evaluate_runs(Path(parsed.truth), runs, parsed.group, Path(parsed.out) if parsed.out else None)


def _kernel(parsed: argparse.Namespace) -> None:
    from tagging.commands.kernel import pack, pack_training

    out = Path(parsed.out or "kernel")
    write = pack_training if parsed.train == "yes" else pack
    write(parsed.run, out, parsed.time_limit)


def _download(parsed: argparse.Namespace) -> None:
    from tagging.commands.download import download

    download(folder(parsed.data), parsed.dry_run, parsed.api)


def _demo(parsed: argparse.Namespace) -> None:
    from tagging.config.sections.data import Demo
    from tagging.data.demo import make_demo

    demo = Demo(seed=parsed.seed)
    make_demo(Path(parsed.folder), demo.seed, demo.curated, demo.noisy, demo.test)
    print(f"wrote {demo.curated + demo.noisy + demo.test} clips to {parsed.folder}")


def _show(parsed: argparse.Namespace) -> None:
    from tagging.commands import show

    if parsed.topic == "experiment":
        show.show_experiment(_load(parsed))
    elif parsed.topic == "schema":
        show.show_schema()
    else:
        show.show_runs(parsed.limit)


def _ui(parsed: argparse.Namespace) -> None:
    from tagging.tracking.ui import serve

    serve(parsed.port, not parsed.no_browser, parsed.host)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "train": _train,
    "features": _features,
    "predict": _predict,
    "submit": _submit,
    "select": cli_ensembles.select,
    "ensemble": cli_ensembles.ensemble,
    "evaluate": _evaluate,
    "kernel": _kernel,
    "download": _download,
    "demo": _demo,
    "show": _show,
    "ui": _ui,
}
