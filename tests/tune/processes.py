"""Which processes run trials."""

from __future__ import annotations

from contextlib import suppress

import psutil

TITLES = ("ray::ResourceTrainable", "ray::CrossValidation")  # what Ray calls a trial at work, and between two steps


def trial_workers(top: psutil.Process) -> list[psutil.Process]:
    """Return the processes below another that run, or ran, trials."""
    return [process for process in top.children(recursive=True) if _title(process).startswith(TITLES)]


def _title(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
