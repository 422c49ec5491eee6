"""What `live` refuses before it serves its page."""

from __future__ import annotations

import socket
import sys

import pytest

from tests.project import Project
from tests.trainings import Trained


def refusal(project: Project, *arguments: str) -> str:
    done = project.run("live", "--run", "tiny", *arguments, "--no-browser", code=2)
    return done.stderr.removeprefix("starting the live page of run tiny ...\n")


def test_without_nicegui_the_file_to_install_is_named(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tagging.live.page", raising=False)
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert refusal(trained.project) == (
        "error: the page needs NiceGUI, which is not installed: pip install -r requirements-pages.txt\n"
    )


def test_a_taken_port_is_named_before_the_networks_are_read(trained: Trained) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refusal(trained.project, "--port", str(port))
    assert told.startswith(f"error: port {port} is taken, perhaps by a live page that runs already: http://127.0.0.1:")
