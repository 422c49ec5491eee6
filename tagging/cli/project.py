"""The part of the command line that is about the project itself: download, demo, show, ui."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tagging.cli.arguments import add_command, add_experiment, load_recipe
from tagging.commandline import at_least, begin, folder, importing
from tagging.tracking.place import tracking_uri


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line (argparse has no public type for these)."""
    download = add_command(commands, "download", "Fetch a public data set and lay it out for training.", _download)
    download.add_argument("name", choices=["fsdkaggle2019"], help="fsdkaggle2019: Zenodo record 3612637")
    download.add_argument("--data", default="", metavar="FOLDER", help="default: data/fsdkaggle2019 in the project")
    download.add_argument("--dry-run", action="store_true", help="only list files, sizes and the space needed")
    download.add_argument("--api", default="", metavar="URL", help="another address of the record's JSON")

    demo = add_command(commands, "demo", "Write synthetic sound in the layout of FSDKaggle2019.", _demo)
    demo.add_argument("folder", help="folder to make")
    demo.add_argument("--seed", type=at_least(0), default=0)

    show = add_command(commands, "show", "Show experiments, the schema, or the runs of the store.", _show)
    topics = show.add_subparsers(dest="topic", required=True, metavar="TOPIC")
    add_experiment(topics.add_parser("experiment", help="every field of an experiment, as YAML"))
    schema = topics.add_parser("schema", help="every field there is, with its range and meaning")
    schema.add_argument("field", nargs="?", default="", help="only this field or section, as model or optimizer.lr")
    runs = topics.add_parser("runs", help="the newest runs and their scores")
    runs.add_argument("--limit", type=at_least(1), default=20, metavar="N", help="how many (default 20)")

    ui = add_command(commands, "ui", "Open the stock MLflow UI on the project's store, on this machine.", _ui)
    ui.add_argument("--port", type=at_least(1, 65535), default=5000, metavar="N", help="default 5000")
    ui.add_argument(
        "--host",
        choices=["127.0.0.1", "0.0.0.0"],
        default="127.0.0.1",
        help="0.0.0.0 in a container whose port is published; browsers are let in by 127.0.0.1 and localhost alone",
    )
    ui.add_argument("--no-browser", action="store_true", help="only print the address")


def _download(parsed: argparse.Namespace) -> None:
    with importing():
        from tagging.commands.download import download

    download(folder(parsed.data), parsed.dry_run, parsed.api)


def _demo(parsed: argparse.Namespace) -> None:
    from tagging.config.sections.data import Demo
    from tagging.data.demo import make_demo

    demo = Demo(seed=parsed.seed)
    begin(f"making {demo.curated + demo.noisy + demo.test} clips")
    make_demo(Path(parsed.folder), demo.seed, demo.curated, demo.noisy, demo.test)
    print(f"wrote {demo.curated + demo.noisy + demo.test} clips to {parsed.folder}")


def _show(parsed: argparse.Namespace) -> None:
    from tagging.commands.show import show_experiment, show_runs, show_schema

    if parsed.topic == "runs":
        begin(f"runs of {tracking_uri()}")
        show_runs(parsed.limit)
    elif parsed.topic == "experiment":
        show_experiment(load_recipe(parsed))
    else:
        show_schema(parsed.field)


def _ui(parsed: argparse.Namespace) -> None:
    begin("starting the MLflow UI ...")
    with importing():
        from tagging.tracking.ui import serve

    serve(parsed.port, not parsed.no_browser, parsed.host)
