from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tagging.errors import UserError
from tagging.tracking.epochs import EpochSender
from tagging.tracking.store import Run, Store


def records(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "epoch": i,
            "time_ms": 1000 + i,
            "train_loss": 1 / (i + 3),
            "val_lwlrap": 0.1 * i,
            "lr": float("nan"),
        }
        for i in range(first, count)
    ]


def points(store: Store, run: Run, name: str) -> list[tuple[int, int, float]]:
    history = store._client.get_metric_history(run.id, name)
    return sorted((point.step, point.timestamp, point.value) for point in history)


@pytest.fixture
def run(store: Store) -> Run:
    return store.start("demo", "fold", "fold 0", {}, {})


@contextmanager
def outage(project: Path) -> Iterator[None]:
    """A store that fails at once: its table of metrics is gone for a while."""
    with closing(sqlite3.connect(project / "mlflow.db", timeout=20)) as database:
        database.execute("ALTER TABLE metrics RENAME TO gone")
        yield
        database.execute("ALTER TABLE gone RENAME TO metrics")


def test_a_replayed_record_is_stored_once(store: Store, run: Run) -> None:
    history = records(30)
    for _ in range(3):
        store.log_epochs(run.id, history)
    store.log_epochs(run.id, history[10:12] + records(31, 30))
    for name in ("train_loss", "val_lwlrap"):
        assert points(store, run, name) == [(r["epoch"], r["time_ms"], r[name]) for r in records(31)]
    assert len(points(store, run, "lr")) == 31
    assert store.get(run.id).metrics["train_loss"] == 1 / 33


def test_a_curve_is_read_by_step_the_last_told_of_each(store: Store, run: Run) -> None:
    store.log_epochs(run.id, list(reversed(records(12, 1))))
    store.log_epochs(run.id, [{"epoch": 3, "time_ms": 5000, "val_lwlrap": 0.9}])
    curve = store.curve(run.id, "val_lwlrap")
    assert list(curve.items()) == [(i, 0.9 if i == 3 else 0.1 * i) for i in range(1, 12)]
    assert store.curve(run.id, "nothing") == {}


def test_a_late_replay_of_old_epochs_leaves_the_latest_value(store: Store, run: Run) -> None:
    store.log_epochs(run.id, records(9, 5))
    store.log_epochs(run.id, records(5))
    assert store.get(run.id).metrics["train_loss"] == 1 / 11
    assert len(points(store, run, "train_loss")) == 9


def test_epochs_arrive_and_close_sends_what_an_earlier_start_left_over(store: Store, run: Run, project: Path) -> None:
    sender = EpochSender(store, run.id, project / "work")
    for record in records(6, 3):
        sender.log_epoch(record)
    sender.close(records(6))
    sender.close([{**record, "epoch": float(record["epoch"])} for record in records(6)])
    assert points(store, run, "val_lwlrap") == [(i, 1000 + i, 0.1 * i) for i in range(6)]


def test_a_failing_store_is_reported_once_and_gets_its_epochs_later(
    store: Store, run: Run, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = EpochSender(store, run.id, project / "work")
    with outage(project):
        for record in records(3):
            sender.log_epoch(record)
        sender._thread.submit(int).result()  # the queue is empty
    assert capsys.readouterr().err == (
        f"warning: {store.uri}: the tracking store refuses: no such table: metrics\n"
        "warning: the training goes on; its curves follow when the store is back\n"
    )
    sender.log_epoch(records(4)[3])
    sender._thread.submit(int).result()
    assert len(points(store, run, "train_loss")) == 4
    sender.close(records(4))
    assert len(points(store, run, "train_loss")) == 4


def test_close_says_where_the_training_is_safe_when_the_store_stays_away(store: Store, run: Run, project: Path) -> None:
    soon = Store(replace(store.connection, patience=0.1))
    sender = EpochSender(soon, run.id, project / "mlruns" / "work" / run.id)
    with outage(project), pytest.raises(UserError) as error:
        sender.close(records(2))
    assert error.value.problems == (
        f"{store.uri}: the tracking store refuses: no such table: metrics",
        f"the training is safe in {project}/mlruns/work/{run.id}; start the same command again when the store is back",
    )


TRAINING = """
import json, os, time
from tagging.tracking.epochs import EpochSender
from tagging.tracking.store import Store
run_id, checkpoint, until = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
history = json.loads(checkpoint.read_text()) if checkpoint.exists() else []
sender = EpochSender(Store.connect(), run_id, checkpoint.parent)
for epoch in range(len(history), until):
    history.append({"epoch": epoch, "time_ms": time.time_ns() // 1_000_000, "train_loss": 1 / (epoch + 1)})
    new = checkpoint.with_suffix(".new")
    new.write_text(json.dumps(history))
    os.replace(new, checkpoint)
    sender.log_epoch(history[-1])
    print(epoch, flush=True)
    time.sleep(0.004)
sender.close(history)
"""


def test_a_training_that_is_killed_and_continued_loses_and_doubles_no_point(
    store: Store, run: Run, project: Path, python: Callable[..., subprocess.Popen[str]]
) -> None:
    checkpoint = project / "history.json"
    for seen, wait in (7, 0.002), (23, 0.007):
        process = python(TRAINING, run.id, str(checkpoint), "100000")
        assert process.stdout
        while int(process.stdout.readline()) < seen:
            pass
        time.sleep(wait)  # so that the kills meet different moments of an epoch
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = len(json.loads(checkpoint.read_text()))
    stored = len(points(store, run, "train_loss"))
    assert stored <= done
    last = python(TRAINING, run.id, str(checkpoint), str(done + 5))
    assert last.communicate()[1] == ""
    history = json.loads(checkpoint.read_text())
    assert len(history) == done + 5
    assert points(store, run, "train_loss") == [(r["epoch"], r["time_ms"], r["train_loss"]) for r in history]


def test_interrupted_while_its_thread_starts_it_lets_go_of_it(
    store: Store, run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    sender = EpochSender(store, run.id, project / "work")
    with pytest.raises(KeyboardInterrupt), sender:
        sender.log_epoch(records(1)[0])
    (thread,) = started
    thread.join(timeout=20)
    assert not thread.is_alive()
