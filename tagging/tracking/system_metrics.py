"""Samples the load of the machine while a run is trained: processor, memory, disk, network, GPUs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from tagging.contract import SYSTEM
from tagging.errors import UserError
from tagging.tracking.store import Run, Store

INTERVAL_S = 10
STOP_S = 2.0  # for the last sample; a store that does not answer holds nobody up


@contextmanager
def system_metrics(store: Store, run: Run) -> Iterator[None]:
    """Log the load of the machine to a run every ten seconds, and once at the end, while the block works.

    MLflow's sampler measures, in a thread of its own; MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL sets other seconds. The
    names begin with `system/`, and the step of a value is the number of seconds since the start of the run, so that a
    run that is continued continues its curves. Samples that the store refuses are left out.
    """
    stop = Event()
    thread = Thread(target=_sample, args=(store.impatient(), run, stop), name="system metrics", daemon=True)
    try:
        thread.start()
        yield
    finally:
        stop.set()
        if thread.is_alive():
            thread.join(STOP_S)


def _sample(store: Store, run: Run, stop: Event) -> None:
    """Send a sample after each interval, and a last one when `stop` is set."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor  # only a training needs it

    try:
        monitor = SystemMetricsMonitor(run.id, INTERVAL_S, tracking_uri=store.uri)
        monitor.collect_metrics()  # psutil measures the load of a processor since the thread's last look
        ended = False
        while not ended:
            for each in monitor.monitors:
                each.clear_metrics()
            ended = stop.wait(monitor.sampling_interval)
            monitor.collect_metrics()
            now = time.time_ns() // 1_000_000
            values = {f"{SYSTEM}{name}": value for name, value in monitor.aggregate_metrics().items()}
            with suppress(UserError, OSError):
                store.log_epochs(run.id, [{"epoch": (now - run.start_time) // 1000, "time_ms": now, **values}])
    except Exception as error:  # of a machine that psutil or a driver does not know: no reason to stop a training
        print(f"warning: {run.title}: the load of the machine is not sampled: {error}", file=sys.stderr)
