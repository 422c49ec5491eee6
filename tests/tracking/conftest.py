"""A real SQLite store for each test, copied from one that was migrated once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.tracking.store import Store
from tests.stand_in import empty_store, stand_in

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project: no store yet, artifacts and work in progress under it."""
    stand_in(tmp_path, monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return tmp_path


@pytest.fixture
def store(project: Path) -> Store:
    shutil.copyfile(empty_store(), project / "mlflow.db")
    return Store.connect()


@pytest.fixture
def python(project: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a Python process in the same project, with the same store, running the given source."""

    def start(source: str, *arguments: str) -> subprocess.Popen[str]:
        head = (
            "import sys\nfrom pathlib import Path\nfrom tagging import project\n"
            f"project.root = lambda: Path({str(project)!r})\n"
        )
        return subprocess.Popen(
            [sys.executable, "-c", head + source, *arguments],
            cwd=project,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
