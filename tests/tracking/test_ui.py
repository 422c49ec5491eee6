from __future__ import annotations

import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest

from tagging.commandline import exit_status
from tagging.errors import UserError
from tagging.tracking.store import Store
from tagging.tracking.ui import serve
from tagging.tracking.views import views

SERVE = """
from tagging.cli import main
sys.exit(main(["ui", "--no-browser", "--port", sys.argv[1]]))
"""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_named_with_a_free_one(store: Store, taken: int) -> None:
    with pytest.raises(UserError) as error:
        serve(taken, open_browser=False)
    (problem,) = error.value.problems
    assert re.fullmatch(
        rf"port {taken} is taken, perhaps by a UI that runs already: "
        rf"http://127\.0\.0\.1:{taken}; port \d+ is free",
        problem,
    )


def test_neither_the_screen_nor_the_browser_is_told_the_login_of_a_server(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    remote = Store(replace(store.connection, uri="http://me:secret@host:5000/"))
    monkeypatch.setattr(Store, "connect", lambda: remote)
    assert exit_status(lambda: serve(5000, open_browser=True), "stopped") == 0
    assert capsys.readouterr().out == "MLflow UI: http://***@host:5000\n"
    assert opened == ["http://host:5000"]


@pytest.mark.long
def test_the_ui_shows_the_newest_data_set_and_ends_on_a_signal(
    store: Store, python: Callable[..., subprocess.Popen[str]], taken: int
) -> None:
    run = store.start("demo", "experiment", "smoke", {}, {})
    store.log_text(run.id, "hello", "a.txt")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    process = python(SERVE, str(port))
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(2)]
    address = f"http://127.0.0.1:{port}"
    assert lines == [
        f"MLflow UI: {address}/#/experiments/{run.experiment_id}/runs?workflowType=machine_learning"
        "&viewStateShareKey=ranking\n",
        "Ctrl-C ends it\n",
    ]
    (experiment,) = store.experiments("demo")
    assert views().items() <= experiment.tags.items()
    with urllib.request.urlopen(f"{address}/get-artifact?run_id={run.id}&path=a.txt") as answer:
        assert answer.read() == b"hello"
    children = psutil.Process(process.pid).children(recursive=True)
    listening = [place.laddr for child in children for place in child.net_connections() if place.status == "LISTEN"]
    assert {(place.ip, place.port) for place in listening} == {("127.0.0.1", port)}
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("\nthe MLflow UI has ended\n", "starting the MLflow UI ...\n")
    assert process.returncode == 0
    assert not any(child.is_running() for child in children)
