"""What the benchmarks share: fair conditions, and timing."""

from __future__ import annotations

import time
from collections.abc import Callable

from threadpoolctl import threadpool_limits

from tagging.config import load
from tagging.jobs.device import device_of


def use_one_core() -> None:
    """Give torch and NumPy one thread, and keep freed memory as a training does: for both sides of a benchmark."""
    device_of(load("base", ["device=cpu", "threads=1"]))
    threadpool_limits(1)


def best_of(repeats: int, reference: Callable[[], object], ours: Callable[[], object]) -> tuple[float, float]:
    """Return the least processor time of some runs of each in seconds, after one that does not count.

    They run in turn, so that a busy moment of the machine hits both.
    """
    reference()
    ours()
    times = [(_seconds(reference), _seconds(ours)) for _ in range(repeats)]
    return min(first for first, _ in times), min(second for _, second in times)


def _seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started
