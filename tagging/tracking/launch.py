"""The run that `mlflow run` itself opens: taken out of the environment, marked, linked to ours.

Imports no MLflow at its top: MLflow must not see the variables that `adopt_launch` takes away.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING

from tagging.errors import UserError
from tagging.tracking.ownership import owner_tag, process_start

if TYPE_CHECKING:
    from tagging.tracking.run import Run
    from tagging.tracking.store import Store


def adopt_launch(environ: MutableMapping[str, str]) -> str | None:
    """Take MLflow's own run out of the environment, so that neither we nor a worker resume it.

    Returns its id, None if the program was not started by `mlflow run`. Call it first of all.
    """
    environ.pop("MLFLOW_EXPERIMENT_ID", None)
    return environ.pop("MLFLOW_RUN_ID", None) or None


def mark_launch(store: Store, launch_id: str) -> None:
    """Tag MLflow's own run as a launch of this process; one that is gone is left alone."""
    pid = os.getpid()
    tags = {"kind": "launch", "owner": owner_tag(), "pid": pid, "pid.start": process_start(pid)}
    with suppress(UserError):
        store.set_tags(launch_id, tags)


def link_launch(store: Store, launch_id: str, run: Run) -> None:
    """Point MLflow's own run to the run that came of it; one that is gone is left alone."""
    link = f"#/experiments/{run.experiment_id}/runs/{run.id}"
    tags = {"launch.run": run.id, "mlflow.note.content": f"Launched [{run.name}]({link})."}
    if "fingerprint" in run.tags:
        tags["fingerprint"] = run.tags["fingerprint"]
    with suppress(UserError):
        store.set_tags(launch_id, tags)
