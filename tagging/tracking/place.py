"""Where the store, its artifacts and its work in progress lie. Imports no MLflow."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from urllib.parse import unquote

from tagging import project

SQLITE = "sqlite:///"
UI = "http://127.0.0.1:5000"  # of `make ui`
WORK = "work"  # beside the artifact folders of the data sets


def tracking_uri() -> str:
    """Return the store's address: `MLFLOW_TRACKING_URI` if set, else the project's own SQLite file.

    The path of a SQLite file is made absolute, so that a later change of folder changes nothing.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        return sqlite_uri(project.root() / "mlflow.db")
    path = sqlite_file(uri)
    return uri if path is None else "".join([sqlite_uri(path), *uri.partition("?")[1:]])


def sqlite_file(uri: str) -> Path | None:
    """Return the absolute path of the file behind a SQLite address, None for every other address."""
    path = uri.removeprefix(SQLITE).partition("?")[0]
    if not uri.startswith(SQLITE) or path in ("", ":memory:"):
        return None
    return Path(unquote(path)).absolute()


def sqlite_uri(path: Path) -> str:
    """Return the address of a SQLite file."""
    return SQLITE + str(path).replace("%", "%25").replace("?", "%3F")


def is_server(uri: str) -> bool:
    """Say whether an address is that of a tracking server, which shows its runs itself."""
    return uri.startswith(("http://", "https://"))


def page(uri: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run's page: on its server, without a login, else on the UI that `make ui` starts."""
    scheme, _, place = uri.partition("?")[0].rstrip("/").partition("://")
    server = f"{scheme}://{place.rpartition('@')[2]}" if is_server(uri) else UI
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}"


def artifact_folder(dataset: str) -> Path:
    """Return the folder that holds the artifacts of one data set's runs in a local store."""
    name = re.sub(r"[^\w.-]+", "_", dataset).strip(".") or "_"
    # a data set that happens to be called "work" must not mix with the work in progress
    return project.root() / "mlruns" / (f"{name}_" if name == WORK else name)


def work_folder() -> Path:
    """Return the folder of trainings in progress: locks, pid files and checkpoints not yet uploaded."""
    return project.root() / "mlruns" / WORK


def owner_tag() -> str:
    """Return the tag `owner` of every run of this machine and work folder."""
    return f"{socket.gethostname()}:{work_folder()}"
