"""What may be in an archive, and archives in parts."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from tagging.data import archives
from tagging.data.archives import open_zip
from tagging.data.layouts import read_dataset
from tagging.errors import UserError
from tests.data.record_server import META_ZIP, TABLES, TEST_ZIP, Server, bring, check, problem_of
from tests.data.split_archive import pack, split


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


def test_an_archive_of_which_far_too_much_would_come_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "ALWAYS_UNPACKED", 100_000)
    bomb = server.files[TEST_ZIP] = pack("x", {"t1.wav": bytes(2_000_000), "t2.wav": bytes(1_000_000)})
    assert problem_of(server, tmp_path) == (
        f"{tmp_path}/download/{TEST_ZIP}: 3,000,000 bytes would come out of {len(bomb):,}, more than 20 times as many, "
        "so nothing of it was unpacked; get the archive from a source that you trust"
    )
    assert not (tmp_path / "test").exists()


def test_an_entry_that_is_longer_than_it_says_is_refused(server: Server, tmp_path: Path) -> None:
    content = pack("x", {"t1.wav": bytes(2_000_000)})
    server.files[TEST_ZIP] = content.replace(struct.pack("<L", 2_000_000), struct.pack("<L", 1000))
    assert problem_of(server, tmp_path) == (
        f"{tmp_path}/download/{TEST_ZIP}: the archive cannot be unpacked (Bad CRC-32 for file 'x/t1.wav'); delete it, "
        "and start the same command again"
    )
    assert {path.name for path in (tmp_path / "test").iterdir()} <= {".partial"}


def test_the_vocabulary_may_have_a_header(server: Server, tmp_path: Path) -> None:
    tables = {**TABLES, "vocabulary.csv": "index,label\n" + TABLES["vocabulary.csv"]}
    server.files[META_ZIP] = pack("meta", {name: text.encode() for name, text in tables.items()})
    bring(server, tmp_path)
    check(tmp_path)
    assert "label" not in read_dataset(tmp_path).classes


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
        "FSDKaggle2019 as published; give --api the address of the record that is"
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


@pytest.mark.skipif(shutil.which("zip") is None, reason="Info-ZIP's zip is not installed")
def test_an_archive_split_by_info_zip_reads_like_a_whole_one(tmp_path: Path) -> None:
    files = {f"{index}.wav": os.urandom(40_000) for index in range(5)}  # noise, so that zip makes nothing smaller
    (tmp_path / "x").mkdir()
    for name, content in files.items():
        (tmp_path / "x" / name).write_bytes(content)
    subprocess.run(["zip", "-q", "-r", "-s", "64k", "x.zip", "x"], cwd=tmp_path, check=True)
    parts = [*sorted(tmp_path.glob("x.z0*")), tmp_path / "x.zip"]
    assert len(parts) == 4
    with open_zip(parts) as archive:
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
