"""The run that `mlflow run` itself opens: taken out of the environment, marked, linked to ours.

Imports no MLflow at its top: MLflow must not see the variables that `adopt_launch` takes away.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING

from tagging.contract import Kind, Tag
from tagging.errors import UserError
from tagging.tracking.ownership import owner_tag, process_start

if TYPE_CHECKING:
    from tagging.tracking.run import Run
    from tagging.tracking.store import Store

MADE_UP = re.compile(r"[a-z]+-[a-z]+-\d+")  # the names that MLflow gives: bemused-cod-199


def adopt_launch(environ: MutableMapping[str, str]) -> str | None:
    """Take MLflow's own run out of the environment, so that neither we nor a worker resume it.

    Returns its id, None if the program was not started by `mlflow run`. Call it first of all.
    """
    environ.pop("MLFLOW_EXPERIMENT_ID", None)
    return environ.pop("MLFLOW_RUN_ID", None) or None


def mark_launch(store: Store, launch_id: str) -> None:
    """Tag MLflow's own run as a launch of this process, and name it after the command; one that is gone is left alone.

    A name that somebody gave with --run-name stays.
    """
    pid = os.getpid()
    tags = {Tag.KIND: Kind.LAUNCH, Tag.OWNER: owner_tag(), "pid": pid, "pid.start": process_start(pid)}
    with suppress(UserError):
        store.set_tags(launch_id, tags)
        if MADE_UP.fullmatch(store.get(launch_id).name):
            store.rename(launch_id, _command())


def link_launch(store: Store, launch_id: str, run: Run) -> None:
    """Point MLflow's own run to the run that came of it, in its name too; one that is gone is left alone."""
    link = f"#/experiments/{run.experiment_id}/runs/{run.id}"
    tags = {"launch.run": run.id, Tag.NOTE: f"Launched [{run.name}]({link})."}
    if Tag.FINGERPRINT in run.tags:
        tags[Tag.FINGERPRINT] = run.tags[Tag.FINGERPRINT]
    with suppress(UserError):
        store.set_tags(launch_id, tags)
        if store.get(launch_id).name == _command():
            store.rename(launch_id, f"{_command()} {run.name}")


def _command() -> str:
    """Return the command of this process, such as train."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "launch")
