"""The processes of a sweep: its driver, which of those below it run trials, and waiting for what they do."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from tests.project import Project

TITLES = ("ray::ResourceTrainable", "ray::CrossValidation")  # what Ray calls a trial at work, and between two steps


@contextmanager
def driver_of(project: Project, *arguments: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """Have a process run `python -m tune` with these arguments; it is gone after the block, whatever fails there."""
    driver = project.start(*arguments, module="tune", **more)
    try:
        yield driver
    finally:
        driver.kill()
        driver.communicate()


def ended(driver: subprocess.Popen[str], code: int) -> tuple[str, str]:
    """Wait for the end of a driver, expect this exit status, and return what it left on the screen."""
    out, err = driver.communicate()
    assert driver.returncode == code, f"{out}\n{err}"
    return out, err


def wait_for(reached: Callable[[], bool], driver: subprocess.Popen[str]) -> None:
    """Wait until something is so, as long as it takes on a busy machine; the driver must not end before."""
    while not reached():
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.05)


def workers(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return Ray's processes below a driver that run, or ran, trials."""
    return trial_workers(psutil.Process(driver.pid))


def trial_workers(top: psutil.Process) -> list[psutil.Process]:
    """Return the processes below another that run, or ran, trials."""
    return [process for process in top.children(recursive=True) if _title(process).startswith(TITLES)]


def _title(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
