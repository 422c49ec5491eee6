"""Another folder in the place of the project's, for a test that works in its own process."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from tagging import project
from tagging.tracking.connection import open_connection

CHECKOUT = project.root()


def stand_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Have `folder` be the project until the patch is undone; it gets the checkout's experiments where it has none."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "experiments").exists():
        (folder / "experiments").symlink_to(CHECKOUT / "experiments")
    patch.setattr(project, "root", lambda: folder)


@cache
def empty_store() -> Path:
    """Return the database of a store without runs: MLflow's migrations take a second."""
    path = Path(tempfile.mkdtemp(prefix="empty-store-")) / "mlflow.db"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    open_connection(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path
