"""Where the project lies: its experiments, its store, its data. The one place that knows."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def root() -> Path:
    """Return the folder that holds `tagging/`, `experiments/`, `tune/`, `mlruns/` and `data/`."""
    return _ROOT


def experiments() -> Path:
    """Return the folder of the experiments' files."""
    return root() / "experiments"
