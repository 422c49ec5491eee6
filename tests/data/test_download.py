from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tagging.data import download, remote_files
from tagging.data.download import RECORD, download_fsdkaggle2019, space_needed
from tagging.data.layouts import read_dataset
from tagging.data.split_zip import open_zip
from tagging.errors import UserError
from tests.data.build import write_sound

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


def pack(folder: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir(folder)
        for name, content in files.items():
            archive.writestr(f"{folder}/{name}", content)
    return buffer.getvalue()


def split(archive: bytes, part_size: int, zip64: bool = False) -> list[bytes]:
    """Split an archive as `zip -s` does: a marker first, places as (part, offset), headers never torn apart."""
    parts = [b"PK\7\x08"]
    directory = []
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        for entry in source.infolist():
            header_at = entry.header_offset
            name_size, extra_size = struct.unpack_from("<2H", archive, header_at + 26)
            header = archive[header_at : header_at + 30 + name_size + extra_size]
            content = archive[header_at + len(header) :][: entry.compress_size]
            if len(parts[-1]) + len(header) > part_size:
                parts.append(b"")
            place = (len(parts) - 1, len(parts[-1]))
            parts[-1] += header
            while content:
                room = part_size - len(parts[-1])
                parts[-1] += content[:room]
                content = content[room:]
                if content:
                    parts.append(b"")
            directory.append(directory_entry(entry, *place, zip64))
    count, listed = len(directory), b"".join(directory)
    if len(parts[-1]) + len(listed) > part_size:
        parts.append(b"")
    last, start = len(parts) - 1, len(parts[-1])
    parts[-1] += listed
    if zip64:
        end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, last, last, count, count, len(listed), start)
        parts[-1] += end64 + struct.pack("<4sLQL", b"PK\6\7", last, start + len(listed), last + 1)
        end = (last, last, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    else:
        end = (last, last, count, count, len(listed), start)
    parts[-1] += struct.pack("<4s4H2LH", b"PK\5\6", *end, 7) + b"comment"
    return parts


def directory_entry(entry: zipfile.ZipInfo, part: int, offset: int, zip64: bool) -> bytes:
    name, extra = entry.filename.encode(), struct.pack("<2HL", 0x7777, 4, 1)
    sizes: tuple[int, int] = (entry.compress_size, entry.file_size)
    if zip64:
        extra += struct.pack("<2H3QL", 1, 28, entry.file_size, entry.compress_size, offset, part)
        sizes, offset, part = (0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, 0xFFFF
    numbers = (20, 20, entry.flag_bits, entry.compress_type, 0, 33, entry.CRC, *sizes, len(name), len(extra), 0)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers, part, 0, 0, offset) + name + extra


@dataclass
class Server:
    """A record and its files, and how the server misbehaves; `asked` lists the files and ranges asked for."""

    files: dict[str, bytes]
    address: str = ""
    record: Any = None
    sizes: dict[str, int] = field(default_factory=dict)
    md5s: dict[str, str] = field(default_factory=dict)
    break_after: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int | None] = field(default_factory=dict)
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
            self.wfile.write(content[start:][: server.break_after.get(name)])

        def answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sound")

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


@pytest.fixture
def server(contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(remote_files, "WAITS_S", (0.0, 0.0))
    served = Server(dict(contents))
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    served.address = f"http://127.0.0.1:{http_server.server_port}"
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    http_server.shutdown()
    http_server.server_close()
    thread.join()


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


def test_the_archives_become_a_data_set(server: Server, tmp_path: Path) -> None:
    bring(server, tmp_path / "deep" / "fsd")
    folder = tmp_path / "deep" / "fsd"
    check(folder)
    assert (folder / "train_curated.csv").read_text() == (
        'fname,labels,freesound_id,license\nc1.wav,Accordion,8,CC-BY\nc2.wav,"Bark,Accordion",7,CC0\n'
    )
    assert (folder / "sample_submission.csv").read_text() == (
        "fname,Accordion,Bark,Zipper_(clothing)\nt1.wav,0,0,0\nt2.wav,0,0,0\n"
    )
    assert (folder / "test_post_competition.csv").read_text() == TABLES["test_post_competition.csv"]
    assert (folder / "train_noisy" / "n2.wav").read_bytes() == (folder / "test" / "t1.wav").read_bytes()


def test_a_dry_run_lists_what_is_needed_and_writes_nothing(server: Server, tmp_path: Path) -> None:
    files = download_fsdkaggle2019(tmp_path / "fsd", server.api, dry_run=True, progress=lambda *_: None)
    noisy = sorted(name for name in server.files if "noisy.z0" in name or "noisy.z1" in name)
    names = [META_ZIP, CURATED_ZIP, TEST_ZIP, *noisy, f"{BASE}audio_train_noisy.zip"]
    assert [remote.name for remote in files] == names
    assert [remote.size for remote in files] == [len(server.files[name]) for name in names]
    assert space_needed(files) == int(2.5 * sum(remote.size for remote in files))
    assert list(tmp_path.iterdir()) == []
    assert server.asked == []


def test_progress_names_each_step_and_ends_full(server: Server, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    download_fsdkaggle2019(tmp_path, server.api, progress=lambda *call: calls.append(call))
    ends = {label: (done, total) for label, done, total in calls}
    assert {"fetching FSDKaggle2019.meta.zip", "unpacking train_noisy", "unpacking meta"} <= set(ends)
    assert all(done == total for done, total in ends.values())


def test_what_is_done_is_not_done_again(server: Server, tmp_path: Path) -> None:
    bring(server, tmp_path)
    written = (tmp_path / "train_noisy" / "n1.wav").stat().st_mtime_ns
    server.asked.clear()
    bring(server, tmp_path)
    assert server.asked == []
    assert (tmp_path / "train_noisy" / "n1.wav").stat().st_mtime_ns == written
    shutil.rmtree(tmp_path / "test")
    bring(server, tmp_path)
    assert server.asked == [TEST_ZIP]
    check(tmp_path)


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    size = len(server.files[CURATED_ZIP])
    step = size // 4  # more breaks than there are tries without progress
    server.break_after[CURATED_ZIP] = step
    bring(server, tmp_path)
    asked = [asked for asked in server.asked if asked.startswith(CURATED_ZIP)]
    assert asked == [CURATED_ZIP, *(f"{CURATED_ZIP} bytes={start}-" for start in range(step, size, step))]
    check(tmp_path)


def test_a_server_without_ranges_sends_the_file_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / f"{CURATED_ZIP}.part").write_bytes(server.files[CURATED_ZIP][:100])
    server.ranges = False
    bring(server, tmp_path)
    assert f"{CURATED_ZIP} bytes=100-" in server.asked
    check(tmp_path)


def test_a_connection_that_stays_broken_stops_and_the_same_command_goes_on(server: Server, tmp_path: Path) -> None:
    server.ranges = False  # so that no try comes further than the last
    server.break_after[CURATED_ZIP] = 100
    assert problem_of(server, tmp_path) == (
        f"{server.url(CURATED_ZIP)}: the connection broke off, 3 times in a row; 100 of "
        f"{len(server.files[CURATED_ZIP])} bytes of {CURATED_ZIP} are there; start the same command again, and it "
        "goes on from there"
    )
    server.break_after.clear()
    server.ranges = True
    server.asked.clear()
    bring(server, tmp_path)
    assert server.asked[0] == f"{CURATED_ZIP} bytes=100-"
    check(tmp_path)


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    bring(server, tmp_path)
    assert server.asked[:3] == [META_ZIP] * 3
    check(tmp_path)


def test_a_refusal_is_said_at_once(server: Server, tmp_path: Path) -> None:
    server.statuses = [404]
    assert problem_of(server, tmp_path) == (
        f"{server.url(META_ZIP)}: the server answers 404 Not Found; look at the address in a browser, and start the "
        "same command again when it answers there"
    )


def test_no_server_at_all(server: Server, tmp_path: Path) -> None:
    server.address = "http://127.0.0.1:1"
    assert problem_of(server, tmp_path) == (
        "http://127.0.0.1:1/api/records/1: no connection ([Errno 111] Connection refused), 3 times in a row; check "
        "the network, and start the same command again"
    )


def test_a_wrong_checksum_deletes_the_file(server: Server, tmp_path: Path) -> None:
    server.md5s[TEST_ZIP] = "0" * 32
    right = hashlib.md5(server.files[TEST_ZIP]).hexdigest()
    assert problem_of(server, tmp_path) == (
        f"{tmp_path}/download/{TEST_ZIP}: the checksum is wrong: expected md5 {'0' * 32}, got {right}; the file was "
        "deleted; start the same command again to fetch it anew"
    )
    assert not list((tmp_path / "download").glob(f"{TEST_ZIP}*"))
    server.md5s.clear()
    bring(server, tmp_path)
    check(tmp_path)


def test_an_archive_that_went_bad_on_the_disk_is_found(server: Server, tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    content = server.files[TEST_ZIP]
    (tmp_path / "download" / TEST_ZIP).write_bytes(content[:-1] + b"x")
    assert "the checksum is wrong" in problem_of(server, tmp_path)
    (tmp_path / "download" / TEST_ZIP).write_bytes(content)
    server.asked.clear()
    bring(server, tmp_path)
    assert TEST_ZIP not in server.asked
    check(tmp_path)


@pytest.mark.parametrize("lie", [-1, 1])
def test_a_record_that_lies_about_a_size(server: Server, tmp_path: Path, lie: int) -> None:
    real = len(server.files[META_ZIP])
    server.sizes[META_ZIP] = real + lie
    assert problem_of(server, tmp_path) == (
        f"{server.url(META_ZIP)}: the record says {real + lie} bytes, the server sends {real}; start the "
        "same command again later, and tell who publishes the record where that does not help"
    )


def test_a_server_that_sends_more_than_there_should_be_without_saying_so(server: Server, tmp_path: Path) -> None:
    real = len(server.files[META_ZIP])
    server.sizes[META_ZIP] = real - 1
    server.lengths[META_ZIP] = None
    assert problem_of(server, tmp_path) == (
        f"{server.url(META_ZIP)}: the record says {real - 1} bytes, the server sends more; start the same command "
        "again later, and tell who publishes the record where that does not help"
    )
    server.sizes.clear()
    bring(server, tmp_path)
    check(tmp_path)


def test_a_server_that_promises_more_than_it_sends(server: Server, tmp_path: Path) -> None:
    real = len(server.files[META_ZIP])
    server.sizes[META_ZIP] = server.lengths[META_ZIP] = real + 5
    server.ranges = False
    assert problem_of(server, tmp_path) == (
        f"{server.url(META_ZIP)}: the connection broke off, 3 times in a row; {real} of {real + 5} bytes of "
        f"{META_ZIP} are there; start the same command again, and it goes on from there"
    )


def test_another_record_is_refused(server: Server, tmp_path: Path) -> None:
    server.record = {"message": "gone"}
    assert problem_of(server, tmp_path) == (
        f"{server.api}: the answer is not a record with files, each with its key, size, md5 checksum and http link; "
        f"give the address of such a record, by default {RECORD}"
    )
    server.record = None
    del server.files[TEST_ZIP]
    assert problem_of(server, tmp_path) == (
        f"{server.api}: the record holds no '{TEST_ZIP}', so it is not FSDKaggle2019; give the address of that record, "
        f"by default {RECORD}"
    )


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        download_fsdkaggle2019(tmp_path, "file:///record.json", progress=lambda *_: None)
    assert str(caught.value) == (
        f"file:///record.json: the record's address must start with https:// or http://, such as {RECORD}"
    )


def test_a_folder_of_something_else_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "train_curated.csv").write_text("mine")
    assert problem_of(server, tmp_path) == (
        f"{tmp_path}: FSDKaggle2019 goes here, but something else is here already ('train_curated.csv'); choose "
        "another folder, or move it away"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["train_curated.csv"]


def test_two_at_once_are_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    with FileLock(tmp_path / "download" / ".lock"):
        assert problem_of(server, tmp_path) == (
            f"{tmp_path}: another process downloads into this folder; wait for its end"
        )


def test_a_disk_without_room_stops_before_the_first_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "UNPACKED_SHARE", 1e15)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3_200_000_000))
    needed = space_needed(download_fsdkaggle2019(tmp_path, server.api, dry_run=True, progress=lambda *_: None))
    assert problem_of(server, tmp_path) == (
        f"{tmp_path}: {needed / 1e9:.1f} GB are needed for the archives and what is in them, 3.2 GB are free; make "
        "room, or choose a folder on another disk"
    )
    assert server.asked == []


def test_a_disk_that_fills_up_is_said_and_gone_on_from(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", fail)
        assert problem_of(server, tmp_path) == (
            f"{tmp_path}: the disk is full; make room and start the same command again, it goes on from there"
        )
    server.asked.clear()
    bring(server, tmp_path)
    assert server.asked == []
    check(tmp_path)


class KilledError(BaseException):
    """Nothing in the code catches it, as nothing catches a SIGKILL."""


def test_killed_at_any_moment_the_same_command_ends_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = 0
    stop_at = 0
    replace = Path.replace

    def pass_by(*_: object) -> None:
        nonlocal moments
        moments += 1
        if moments == stop_at:
            raise KilledError

    def stop_or_replace(path: Path, target: Path) -> None:
        pass_by()
        replace(path, target)

    monkeypatch.setattr(Path, "replace", stop_or_replace)
    download_fsdkaggle2019(tmp_path / "whole", server.api, progress=pass_by)
    last = moments
    assert last > 40
    for moment in range(1, last + 1):
        folder = tmp_path / str(moment)
        moments, stop_at = 0, moment
        with pytest.raises(KilledError):
            download_fsdkaggle2019(folder, server.api, progress=pass_by)
        bring(server, folder)
        check(folder)
        for path in (tmp_path / "whole").rglob("*.*"):
            assert (folder / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["../evil.wav", "/evil.wav", "a/../../evil.wav", "a\\evil.wav", "C:evil.wav"])
def test_an_entry_that_leads_out_is_refused(server: Server, tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("good.wav", b"x")
        archive.writestr(name, b"x")
    server.files[TEST_ZIP] = buffer.getvalue()
    assert problem_of(server, tmp_path / "fsd") == (
        f"{tmp_path}/fsd/download/{TEST_ZIP}: the entry {name!r} leads out of the archive, so nothing of it was "
        "unpacked; get the archive from a source that you trust"
    )
    assert not (tmp_path / "fsd" / "test").exists()


def test_two_entries_of_one_name_are_refused(server: Server, tmp_path: Path) -> None:
    server.files[TEST_ZIP] = pack("x", {"a/t1.wav": b"1", "b/t1.wav": b"2"})
    assert problem_of(server, tmp_path) == (
        f"{tmp_path}/download/{TEST_ZIP}: the entries 'x/a/t1.wav' and 'x/b/t1.wav' have the same name, so nothing of "
        "it was unpacked; get the archive from a source that you trust"
    )


def test_the_vocabulary_may_have_a_header(server: Server, tmp_path: Path) -> None:
    tables = {**TABLES, "vocabulary.csv": "index,label\n" + TABLES["vocabulary.csv"]}
    server.files[META_ZIP] = pack("meta", {name: text.encode() for name, text in tables.items()})
    bring(server, tmp_path)
    check(tmp_path)


def test_a_vocabulary_of_another_shape_and_a_missing_table_are_refused(server: Server, tmp_path: Path) -> None:
    tables = {name: text.encode() for name, text in TABLES.items()}
    server.files[META_ZIP] = pack("meta", {**tables, "vocabulary.csv": b"Bark\n"})
    assert problem_of(server, tmp_path / "a") == (
        f"{tmp_path}/a/download/meta/vocabulary.csv: each line must be a number, a comma and a class, such as "
        "0,Accordion"
    )
    del tables["vocabulary.csv"]
    server.files[META_ZIP] = pack("meta", tables)
    assert problem_of(server, tmp_path / "b") == (
        f"{tmp_path}/b/download/meta: the archive of the tables holds no 'vocabulary.csv', so the record is not "
        "FSDKaggle2019 as published; give the address of the record that is"
    )


def write_parts(folder: Path, parts: list[bytes]) -> list[Path]:
    paths = [folder / f"x.z{number:02}" for number in range(1, len(parts))] + [folder / "x.zip"]
    for path, content in zip(paths, parts, strict=True):
        path.write_bytes(content)
    return paths


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("part_size", [150, 1000])
def test_a_split_archive_reads_like_a_whole_one(tmp_path: Path, part_size: int, zip64: bool) -> None:
    files = {f"{index}.wav": hashlib.sha256(bytes([index])).digest() * index * 10 for index in range(8)}
    parts = split(pack("x", files), part_size, zip64)
    with open_zip(write_parts(tmp_path, parts)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(f"x/{name}") for name in files} == files


def test_a_missing_part_is_said(tmp_path: Path) -> None:
    parts = split(pack("x", {"a.wav": bytes(range(256)) * 2}), 150)
    paths = write_parts(tmp_path, parts)
    with pytest.raises(UserError) as caught, open_zip(paths[1:]):
        pass
    assert str(caught.value) == (
        f"{tmp_path}/x.zip: the archive cannot be unpacked (it was split into {len(parts)} parts, and "
        f"{len(parts) - 1} are here); delete it and its other parts, and start the same command again"
    )


def test_an_entry_beyond_four_gigabytes_is_found(tmp_path: Path) -> None:
    parts = split(pack("x", {"a.wav": hashlib.sha512(b"a").digest(), "b.wav": hashlib.sha512(b"b").digest()}), 150)
    paths = write_parts(tmp_path, parts)
    large = 5 << 30
    with paths[0].open("r+b") as file:
        file.truncate(large)  # a hole: it takes no room on the disk
    with open_zip(paths) as archive:
        assert archive.getinfo("x/b.wav").header_offset > 0xFFFFFFFF
        assert archive.read("x/b.wav") == hashlib.sha512(b"b").digest()
