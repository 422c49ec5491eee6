"""The part of the command line that trains and predicts: train, features, predict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tagging.cli.arguments import (
    RUN_HELP,
    add_command,
    add_experiment,
    add_overrides,
    begin_reading,
    load_recipe,
    named_run,
    overrides,
)
from tagging.commandline import at_least, begin, folder, importing


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line (argparse has no public type for these)."""
    train = add_command(commands, "train", "Train the folds of an experiment or of a stacker.", _train)
    add_experiment(train)
    train.add_argument("--again", action="store_true", help="train a finished run again, from the beginning")

    features = add_command(commands, "features", "Compute the log-mels of an experiment's data set.", _features)
    add_experiment(features)

    predict = add_command(
        commands, "predict", "Predict a run's own clips again, or tag the sound in FOLDER with all its folds.", _predict
    )
    predict.add_argument("folder", nargs="?", default="", help="new sound: a folder, or one file")
    predict.add_argument("--run", required=True, help=RUN_HELP)
    predict.add_argument("--out", default="", metavar="FILE", help="write all probabilities of FOLDER as CSV")
    predict.add_argument("--top", type=at_least(1), default=3, metavar="N", help="classes shown a clip (default 3)")
    add_overrides(predict)


def _train(parsed: argparse.Namespace) -> None:
    experiment = load_recipe(parsed)  # a misspelt field fails before anything heavy is imported
    begin_reading(experiment)
    from tagging.jobs.inputs import read_labelled

    labelled = read_labelled(experiment)  # all that is wrong with the data is said before torch and MLflow
    with importing():
        from tagging.commands.train import train
        from tagging.config import lineage

    train(experiment, lineage(parsed.experiment, experiment, overrides(parsed)), parsed.again, labelled)


def _features(parsed: argparse.Namespace) -> None:
    from tagging.config.load import as_experiment

    experiment = as_experiment(load_recipe(parsed))
    begin_reading(experiment)
    with importing():
        from tagging.commands.features import features

    features(experiment)


def _predict(parsed: argparse.Namespace) -> None:
    run = named_run(parsed)
    if parsed.folder:
        begin(f"tagging {parsed.folder} as run {run} does")
        from tagging.data.listing import sound_at
        from tagging.progress import warn

        place = Path(parsed.folder)
        files = sound_at(place, warn)
        with importing():
            from tagging.commands.predict import tag_folder

        tag_folder(run, place, Path(parsed.out) if parsed.out else None, parsed.top, parsed.set, files)
    else:
        begin(f"predicting the clips of run {run} again")
        with importing():
            from tagging.commands.predict import predict_again

        predict_again(run, overrides(parsed), folder(parsed.data))
