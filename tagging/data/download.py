"""Downloads FSDKaggle2019 from its public record and unpacks it into the layout of the competition.

Names, sizes and checksums come from the record at run time. What is in progress lies in `download/` inside
the folder: the archives, each with `.part` at its name until its checksum is right, and `unpacked.json`,
which says what was unpacked from which archives. The archives are deleted when all is unpacked. A process
killed at any moment is continued by the same command. Not tried against Zenodo itself (docs/testing.md).
"""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tagging.data.archives import open_zip, unpack
from tagging.data.findings import quoted
from tagging.data.fsdkaggle import CURATED, NOISY, TABLES, TEST, write_tables
from tagging.data.remote_files import AGAIN, Progress, RemoteFile, fetch, fetch_json
from tagging.errors import UserError

RECORD = "https://zenodo.org/api/records/3612637"
WEB = ("https://", "http://")  # urllib would open local files, too
META = "meta"
# by what is unpacked from them; the small one first, so that what is wrong with a server shows at once
ARCHIVES = {
    META: "FSDKaggle2019.meta",
    CURATED: "FSDKaggle2019.audio_train_curated",
    TEST: "FSDKaggle2019.audio_test",
    NOISY: "FSDKaggle2019.audio_train_noisy",
}
WORK, UNPACKED, LOCK = "download", "unpacked.json", ".lock"
UNPACKED_SHARE = 1.5  # of the archives' size, from above: packing takes about a quarter off sound of 16 bits

Parts = Sequence[RemoteFile]


def download_fsdkaggle2019(
    folder: Path, api: str = RECORD, dry_run: bool = False, *, progress: Progress
) -> list[RemoteFile]:
    """Bring FSDKaggle2019 into a folder, ready for `read_dataset`; return the files of the record it needs.

    `api` is the address of the record's JSON. With `dry_run` that alone is asked for, and nothing is
    written. `progress` is called with what is going on, bytes done, bytes in all. What is there in its
    right size and checksum is not fetched again, what is unpacked not unpacked again.

    Raises UserError where the folder holds something else or is worked on already, the disk has too little
    room, the record is not as expected, and for all that `fetch`, `unpack` and `write_tables` refuse.
    """
    archives = _read_record(api)
    files = [remote for parts in archives.values() for remote in parts]
    if dry_run:
        return files
    _check_folder(folder)
    try:
        (folder / WORK).mkdir(parents=True, exist_ok=True)
        with FileLock(folder / WORK / LOCK, timeout=0):
            _bring(folder, archives, progress)
    except Timeout:
        raise UserError(f"{folder}: another process downloads into this folder; wait for its end") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"{folder}: the disk is full; make room and {AGAIN}, it continues from there") from None
    return files


def space_needed(files: Parts) -> int:
    """Return the bytes that a download takes at its fullest: all archives, and an estimate of what is in them."""
    return int((1 + UNPACKED_SHARE) * sum(remote.size for remote in files))


def _read_record(api: str) -> dict[str, list[RemoteFile]]:
    """Return the parts of each archive, in order."""
    if not api.startswith(WEB):
        raise UserError(f"{api}: the record's address must start with https:// or http://, such as {RECORD}")
    record = fetch_json(api)
    try:
        files = [_remote_file(entry) for entry in record["files"]]
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{api}: the answer is not a record with files, each with its key, size, md5 checksum and http link; give "
            f"--api the address of such a record, by default {RECORD}"
        ) from None
    archives = {name: _parts(base, files) for name, base in ARCHIVES.items()}
    missing = [f"{ARCHIVES[name]}.zip" for name, parts in archives.items() if not parts]
    if missing:
        raise UserError(
            f"{api}: the record holds no {quoted(missing)}, so it is not FSDKaggle2019; give --api the address of "
            f"that record, by default {RECORD}"
        )
    return archives


def _remote_file(entry: Mapping[str, Any]) -> RemoteFile:
    kind, _, md5 = entry["checksum"].partition(":")
    url = entry["links"]["self"]
    if kind != "md5" or not url.startswith(WEB):
        raise ValueError
    return RemoteFile(str(entry["key"]), int(entry["size"]), md5.lower(), url)


def _parts(base: str, files: Parts) -> list[RemoteFile]:
    """Return base.z01, base.z02, ... base.zip; none where the last is not there."""
    numbered = {}
    for remote in files:
        if found := re.fullmatch(rf"{re.escape(base)}\.z(\d+)", remote.name):
            numbered[int(found[1])] = remote
    last = [remote for remote in files if remote.name == f"{base}.zip"]
    return [*(numbered[number] for number in sorted(numbered)), *last] if last else []


def _check_folder(folder: Path) -> None:
    """Refuse a folder that something else is in, of which a file could be taken for ours or overwritten."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    foreign = sorted(names - {WORK})
    if folder.is_file() or (foreign and not (folder / WORK / UNPACKED).is_file()):
        held = f" ({quoted(foreign)})" if foreign else ""
        raise UserError(
            f"{folder}: FSDKaggle2019 goes here, but something else is here already{held}; choose another folder, or "
            "move it away"
        )


def _bring(folder: Path, archives: Mapping[str, Parts], progress: Progress) -> None:
    work = folder / WORK
    noted = work / UNPACKED
    done: dict[str, list[str]] = json.loads(noted.read_text("utf-8")) if noted.is_file() else {}
    left = {name: parts for name, parts in archives.items() if not _is_unpacked(folder, name, parts, done)}
    _check_space(folder, left)
    _write_done(work, done)
    for parts in left.values():
        for remote in parts:
            fetch(remote, work, progress)
    # the tables come last: without them no one takes an unfinished folder for a data set
    for name in sorted(left, key=lambda name: name == META):
        with open_zip([work / remote.name for remote in left[name]]) as archive:
            unpack(archive, _place(folder, name), sum(remote.size for remote in left[name]), progress)
        if name == META:
            write_tables(work / META, folder)
        done[name] = [remote.md5 for remote in left[name]]
        _write_done(work, done)
    shutil.rmtree(work / META, ignore_errors=True)
    for parts in archives.values():
        for remote in parts:
            (work / remote.name).unlink(missing_ok=True)
            (work / f"{remote.name}.part").unlink(missing_ok=True)


def _place(folder: Path, name: str) -> Path:
    return folder / WORK / META if name == META else folder / name


def _is_unpacked(folder: Path, name: str, parts: Parts, done: Mapping[str, list[str]]) -> bool:
    """Whether it was unpacked from these very archives, and no one has deleted it since."""
    paths = [folder / table for table in TABLES] if name == META else [folder / name]
    return done.get(name) == [remote.md5 for remote in parts] and all(path.exists() for path in paths)


def _write_done(work: Path, done: Mapping[str, list[str]]) -> None:
    partial = work / f".{UNPACKED}.partial"
    partial.write_text(json.dumps(done, indent=2) + "\n", "utf-8")
    partial.replace(work / UNPACKED)


def _check_space(folder: Path, left: Mapping[str, Parts]) -> None:
    """Stop where the disk has no room for what is still to come."""
    needed = space_needed([remote for parts in left.values() for remote in parts])
    for name, parts in left.items():
        needed -= sum(path.stat().st_size for path in _place(folder, name).glob("*"))
        for remote in parts:
            beside = (folder / WORK / f"{remote.name}{suffix}" for suffix in ("", ".part"))
            needed -= sum(path.stat().st_size for path in beside if path.exists())
    free = shutil.disk_usage(folder).free
    if left and needed > free:
        raise UserError(
            f"{folder}: {needed / 1e9:.1f} GB are needed for the archives and what is in them, {free / 1e9:.1f} GB are "
            "free; make room, or choose a folder on another disk"
        )
