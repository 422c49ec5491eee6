"""A small FSDKaggle2019 behind an HTTP server of this machine that can be made to misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tagging.data.download import download_fsdkaggle2019
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tests.data.build import write_sound
from tests.data.split_archive import pack, split

BASE = "FSDKaggle2019."
CURATED_ZIP, TEST_ZIP, META_ZIP = f"{BASE}audio_train_curated.zip", f"{BASE}audio_test.zip", f"{BASE}meta.zip"
TABLES = {
    "train_curated_post_competition.csv": "fname,labels,freesound_id,license\n"
    'c2.wav,"Bark,Accordion",7,CC0\nc1.wav,Accordion,8,CC-BY\n',
    "train_noisy_post_competition.csv": "fname,labels,flickr_video_URL,license\n"
    + "".join(f"n{index}.wav,Zipper_(clothing),u,CC-BY\n" for index in (3, 1, 2)),
    "test_post_competition.csv": "fname,labels,usage,freesound_id,license\n"
    "t2.wav,Bark,Private,1,CC0\nt1.wav,Accordion,Public,2,CC0\n",
    "vocabulary.csv": "0,Bark\n1,Zipper_(clothing)\n2,Accordion\n",
}


@dataclass
class Server:
    """A record and its files, and how the server misbehaves; `asked` lists the files and ranges asked for.

    `hold_after`: how much of a file is sent before the server falls silent until `released`.
    """

    files: dict[str, bytes]
    address: str = ""
    record: Any = None
    sizes: dict[str, int] = field(default_factory=dict)
    md5s: dict[str, str] = field(default_factory=dict)
    break_after: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int | None] = field(default_factory=dict)
    hold_after: dict[str, int] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    asked: list[str] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"{self.address}/api/records/1"

    def url(self, name: str) -> str:
        return f"{self.api}/files/{name}/content"

    def md5(self, name: str) -> str:
        return self.md5s.get(name, hashlib.md5(self.files[name]).hexdigest())

    def describe(self) -> Any:
        if self.record is not None:
            return self.record
        described = [
            {
                "key": name,
                "size": self.sizes.get(name, len(content)),
                "checksum": f"md5:{self.md5(name)}",
                "links": {"self": self.url(name)},
            }
            for name, content in self.files.items()
        ]
        return {"id": 1, "files": described}


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/api/records/1":
                return self.answer(json.dumps(server.describe()).encode())
            name = self.path.split("/")[-2]
            given = self.headers.get("Range", "")
            server.asked.append(f"{name} {given}".strip())
            if server.statuses:
                return self.send_error(server.statuses.pop(0))
            content = server.files[name]
            start = int(given[len("bytes=") : -1]) if given and server.ranges else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            length = server.lengths.get(name, len(content) - start)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content[start:][: server.hold_after.get(name, server.break_after.get(name))])
            if name in server.hold_after:
                server.released.wait()

        def answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(contents: dict[str, bytes]) -> Iterator[Server]:
    """Serve these files until the end of the context."""
    served = Server(dict(contents))
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    served.address = f"http://127.0.0.1:{http_server.server_port}"
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        served.released.set()
        http_server.shutdown()
        http_server.server_close()
        thread.join()


def archives(folder: Path) -> dict[str, bytes]:
    """Make the archives of two curated, three noisy and two test clips, their sound written in `folder`."""

    def sound(*names: str) -> dict[str, bytes]:
        return {name: write_sound(folder / name, seconds=0.02).read_bytes() for name in names}

    noisy = split(pack(f"{BASE}audio_train_noisy", sound("n1.wav", "n2.wav", "n3.wav")), 200)
    assert len(noisy) > 3, "one entry spans parts"
    names = [f"{BASE}audio_train_noisy.z{number:02}" for number in range(1, len(noisy))]
    return {
        f"{BASE}doc.zip": b"not needed",
        f"{BASE}audio_train_noisy.zip": noisy[-1],
        **dict(zip(reversed(names), reversed(noisy[:-1]), strict=True)),
        CURATED_ZIP: pack(f"{BASE}audio_train_curated", sound("c1.wav", "c2.wav") | {".DS_Store": b"x"}),
        TEST_ZIP: pack(f"{BASE}audio_test", sound("t1.wav", "t2.wav")),
        META_ZIP: pack(f"{BASE}meta", {name: text.encode() for name, text in TABLES.items()}),
    }


def bring(server: Server, folder: Path, dry_run: bool = False) -> list[str]:
    files = download_fsdkaggle2019(folder, server.api, dry_run, progress=lambda *_: None)
    return [remote.name for remote in files]


def problem_of(server: Server, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        bring(server, folder)
    return str(caught.value)


def check(folder: Path) -> None:
    """What a download must leave behind, however it came about."""
    data = read_dataset(folder)
    assert data.classes == ("Accordion", "Bark", "Zipper_(clothing)")
    assert (data.curated.fnames, data.noisy.fnames) == (("c1.wav", "c2.wav"), ("n1.wav", "n2.wav", "n3.wav"))
    assert (data.test.fnames, data.warnings) == (("t1.wav", "t2.wav"), ())
    assert sorted(path.name for path in (folder / "download").iterdir()) in (
        ["unpacked.json"],
        [".lock", "unpacked.json"],
    )
