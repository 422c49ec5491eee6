from __future__ import annotations

from collections.abc import Iterator

import pytest

from tagging.data import remote_files
from tests.data.record_server import Server, archives, serving


@pytest.fixture(scope="session")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small record, by name."""
    return archives(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def server(contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve the record; whoever asks in vain does not wait before asking again."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(remote_files, "WAITS_S", (0.0, 0.0))
    with serving(contents) as served:
        yield served
