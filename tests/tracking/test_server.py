from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tagging.tracking.epochs import EpochSender
from tagging.tracking.store import Store, StoreError


@contextmanager
def server(folder: Path, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    place = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(300):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                break
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.long
def test_a_training_outlasts_its_server(
    store: Store, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    history = [{"epoch": i, "time_ms": 1000 + i, "train_loss": 1 / (i + 1)} for i in range(6)]
    with server(project, port):
        remote = Store.connect()
        run = remote.start("demo", "fold", "fold 0", {}, {f"p{i}": i for i in range(120)})
        remote.log_text(run.id, "hello", "inner/a.txt")
        assert remote.read_text(run.id, "inner/a.txt") == "hello"
        assert remote.has_file(run.id, "inner/a.txt")
        assert remote.list_files(run.id) == ["inner/a.txt"]
        with pytest.raises(StoreError, match=f"^there is no run 0{{32}} in http://127.0.0.1:{port}: "):
            remote.get("0" * 32)
        sender = EpochSender(remote, run.id, project / "work")
        sender.log_epoch(history[0])
        sender._thread.submit(int).result()
    begun = time.monotonic()
    for record in history[1:5]:
        sender.log_epoch(record)
    assert time.monotonic() - begun < 5  # each would wait for the server twice as long
    sender.log_epoch(history[5])
    while not sender._warned:
        time.sleep(0.1)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"warning: http://127.0.0.1:{port}: the tracking store does not answer: Connection refused\n"
        "warning: the training goes on; its curves follow when the store is back\n"
    )
    with server(project, port):
        sender.close(history)
        remote.finish(run.id, "FINISHED")
        points = remote._client.get_metric_history(run.id, "train_loss")
    assert capsys.readouterr().out == ""
    assert sorted((point.step, point.timestamp, point.value) for point in points) == [
        (record["epoch"], record["time_ms"], record["train_loss"]) for record in history
    ]
