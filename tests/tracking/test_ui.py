from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest

from tagging.commandline import exit_status
from tagging.errors import UserError
from tagging.tracking import ui
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


@pytest.mark.long
def test_a_ui_that_is_killed_leaves_nothing_on_its_port(
    store: Store, python: Callable[..., subprocess.Popen[str]], taken: int
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    process = python(SERVE, str(port))
    assert process.stdout
    assert process.stdout.readline() == f"MLflow UI: http://127.0.0.1:{port}\n"
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert psutil.wait_procs(children, timeout=60)[1] == []
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))


# starts a process that heeds no SIGTERM, says its number, and goes on
COMMAND = """
import signal, subprocess, sys, time
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
below = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
below.stdout.readline()
print(below.pid, flush=True)
{then}
"""


@pytest.mark.parametrize("then", ["time.sleep(600)", "sys.exit(3)"], ids=["the parent ends", "the command ends"])
def test_a_kept_command_and_all_below_it_end_with_their_parent_or_their_own(then: str) -> None:
    keeper = subprocess.Popen(
        [
            sys.executable,
            "-I",
            ui.__file__.replace("ui.py", "keeper.py"),
            sys.executable,
            "-c",
            COMMAND.format(then=then),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdout
    below = psutil.Process(int(keeper.stdout.readline()))
    tree = [psutil.Process(keeper.pid), *psutil.Process(keeper.pid).children(recursive=True), below]
    if then.startswith("time"):
        assert keeper.stdin
        keeper.stdin.close()  # as the end of the process that holds it does
    assert keeper.wait(60) == -signal.SIGKILL
    keeper.stdout.close()
    assert psutil.wait_procs(tree, timeout=60)[1] == []
