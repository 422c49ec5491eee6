"""The command `review`, as far as it goes without a page."""

from __future__ import annotations

import socket
import sys

import pytest

from tests.trainings import Trained


def test_without_nicegui_it_says_how_to_install_it(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nicegui", None)
    monkeypatch.delitem(sys.modules, "tagging.review.page", raising=False)
    done = trained.project.run("review", "tiny", code=2)
    assert done.stderr.splitlines()[-1] == (
        "error: the page needs NiceGUI, which cannot be imported (import of nicegui halted; None in sys.modules): "
        "pip install -r requirements-pages.txt"
    )


def test_a_port_that_is_taken_is_said_with_one_that_is_free(trained: Trained) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = trained.project.run_apart("review", "tiny", "--port", str(port), code=2)
    said = done.stderr.splitlines()[-1]
    assert said.startswith(
        f"error: port {port} is taken, perhaps by a page that runs already: http://127.0.0.1:{port}; port "
    )
    assert said.endswith(" is free")
    left = {path.name for path in trained.project.folder.glob("*.json*")}
    assert left == set()  # no list, no journal
