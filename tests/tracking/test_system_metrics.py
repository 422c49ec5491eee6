from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tagging.contract import SYSTEM
from tagging.tracking.store import Run, Store
from tagging.tracking.system_metrics import system_metrics
from tests.tracking.test_epochs import outage

CPU = f"{SYSTEM}cpu_utilization_percentage"


@pytest.fixture
def run(store: Store) -> Run:
    return store.start("demo", "fold", "fold 0", {}, {})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")


def sampling() -> bool:
    return any(thread.name == "system metrics" for thread in threading.enumerate())


def test_the_load_is_sampled_while_the_block_works(store: Store, run: Run, quick: None) -> None:
    with system_metrics(store, run):
        assert sampling()
        while len(store._client.get_metric_history(run.id, CPU)) < 3:
            time.sleep(0.05)
    assert not sampling()
    metrics = store.get(run.id).metrics
    assert all(name.startswith(SYSTEM) for name in metrics)
    assert 0 <= metrics[CPU] <= 100
    total = psutil.virtual_memory().total / 1e6
    assert metrics[f"{SYSTEM}system_memory_usage_megabytes"] == pytest.approx(
        metrics[f"{SYSTEM}system_memory_usage_percentage"] / 100 * total, rel=0.01
    )
    assert {f"{SYSTEM}disk_usage_percentage", f"{SYSTEM}network_receive_megabytes"} < metrics.keys()
    assert run.metrics == {}


def test_a_block_that_is_shorter_than_the_interval_has_one_sample(store: Store, run: Run) -> None:
    with system_metrics(store, run):
        pass
    (point,) = store._client.get_metric_history(run.id, CPU)
    assert point.step == (point.timestamp - run.start_time) // 1000


def test_an_interruption_ends_the_sampling(store: Store, run: Run) -> None:
    with pytest.raises(KeyboardInterrupt), system_metrics(store, run):
        raise KeyboardInterrupt
    assert not sampling()
    assert CPU in store.get(run.id).metrics


def test_samples_that_the_store_refuses_are_left_out(
    store: Store, project: Path, run: Run, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with system_metrics(store, run):
        with outage(project):
            time.sleep(0.3)
        missed = len(store._client.get_metric_history(run.id, CPU))
        time.sleep(0.3)
    assert len(store._client.get_metric_history(run.id, CPU)) > missed
    assert capsys.readouterr().err == ""


def test_a_machine_without_such_numbers_trains_without_them(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise FileNotFoundError("no such file: '/proc/net/dev'")

    monkeypatch.setattr(psutil, "net_io_counters", refuse)
    with system_metrics(store, run):
        pass
    assert store.get(run.id).metrics == {}
    assert capsys.readouterr().err == (
        f"warning: {run.title}: the load of the machine is not sampled: no such file: '/proc/net/dev'\n"
    )


WAITS = """
import time
from tagging.tracking.store import Store
from tagging.tracking.system_metrics import system_metrics
store = Store.connect()
with system_metrics(store, store.get(sys.argv[1])):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_an_interrupted_process_does_not_wait_for_the_next_sample(
    store: Store, run: Run, python: Callable[..., subprocess.Popen[str]]
) -> None:
    process = python(WAITS, run.id)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)  # the interval is as long
    assert err.splitlines()[-1] == "KeyboardInterrupt"
