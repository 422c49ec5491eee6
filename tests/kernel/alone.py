"""Runs a kernel as on a machine where nothing of the platform is: isolated, its libraries refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REFUSED = ("mlflow", "ray", "pydantic", "safetensors", "optuna", "tagging", "tqdm", "yaml", "psutil", "sqlalchemy")
_START = f"""
import builtins, runpy, sys

allowed = builtins.__import__

def refuse(name, *rest, **more):
    if name.partition(".")[0] in {REFUSED}:
        raise ImportError(f"{{name}} is refused here")
    return allowed(name, *rest, **more)

builtins.__import__ = refuse
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(kernel: Path, folder: Path, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a kernel in a folder and expect this exit status; -I keeps the checkout and the user's variables away."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _START, str(kernel), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # as the run under test was trained
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done
