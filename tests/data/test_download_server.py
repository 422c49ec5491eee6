"""What a server may do to a download, and what is then said."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tagging.data import remote_files
from tagging.data.download import RECORD, download_fsdkaggle2019
from tagging.errors import UserError
from tests.data.record_server import CURATED_ZIP, META_ZIP, TEST_ZIP, Server, bring, check, problem_of


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    size = len(server.files[CURATED_ZIP])
    step = size // 4  # more breaks than there are tries without progress
    server.break_after[CURATED_ZIP] = step
    bring(server, tmp_path)
    asked = [asked for asked in server.asked if asked.startswith(CURATED_ZIP)]
    assert asked == [CURATED_ZIP, *(f"{CURATED_ZIP} bytes={start}-" for start in range(step, size, step))]
    check(tmp_path)


def test_a_server_that_falls_silent_is_asked_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "TIMEOUT_S", 1.0)  # as long as the rest of it may pause on a busy machine
    size = len(server.files[CURATED_ZIP])
    server.hold_after[CURATED_ZIP] = size // 2
    bring(server, tmp_path)
    asked = [asked for asked in server.asked if asked.startswith(CURATED_ZIP)]
    assert asked[:2] == [CURATED_ZIP, f"{CURATED_ZIP} bytes={size // 2}-"]
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
        "continues from there"
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
        "deleted; start the same command again to fetch it again"
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
        f"{META_ZIP} are there; start the same command again, and it continues from there"
    )


def test_another_record_is_refused(server: Server, tmp_path: Path) -> None:
    server.record = {"message": "gone"}
    assert problem_of(server, tmp_path) == (
        f"{server.api}: the answer is not a record with files, each with its key, size, md5 checksum and http link; "
        f"give --api the address of such a record, by default {RECORD}"
    )
    server.record = None
    del server.files[TEST_ZIP]
    assert problem_of(server, tmp_path) == (
        f"{server.api}: the record holds no '{TEST_ZIP}', so it is not FSDKaggle2019; give --api the address of that "
        f"record, by default {RECORD}"
    )


@pytest.mark.parametrize(
    ("api", "problem"),
    [
        ("file:///a.json", f"the record's address must start with https:// or http://, such as {RECORD}"),
        ("http://[::1/a.json", "this is no address (Invalid IPv6 URL); look at it in a browser"),
    ],
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, api: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        download_fsdkaggle2019(tmp_path, api, progress=lambda *_: None)
    assert str(caught.value) == f"{api}: {problem}"
