"""Fetches files over HTTP so that a broken connection or a killed process costs nothing but the wait."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from tagging.errors import UserError

# what is going on, bytes done, bytes in all
Progress = Callable[[str, int, int], None]

CHUNK = 1 << 20  # bytes
TIMEOUT_S = 30.0  # without a single byte
WAITS_S = (1.0, 2.0, 5.0, 10.0)  # before each new try; a try that brought bytes starts the list anew
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that waiting may mend
AGAIN = "start the same command again"

T = TypeVar("T")


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server: its name, its size in bytes, its md5 in hex digits, its address."""

    name: str
    size: int
    md5: str
    url: str


def fetch(remote: RemoteFile, folder: Path, progress: Progress) -> None:
    """Bring a file into a folder, where its own name stands only for the right size and md5.

    What is there already, also as the name with `.part`, is not fetched again but goes into the md5.
    Raises UserError where the connection stays broken (what came is kept), where the server has another
    size than `remote` says, and where the md5 is wrong (the file is deleted).
    """
    target, part = folder / remote.name, folder / f"{remote.name}.part"
    if target.exists():
        target.replace(part)  # whole or not, it is looked at like every other beginning
    part.touch()
    with part.open("r+b") as file:
        arrival = _Arrival(remote, file, progress)
        advice = f"{AGAIN}, and it continues from there"
        _retried(
            lambda: _receive(arrival),
            lambda: arrival.size,
            lambda: f"{arrival.size} of {remote.size} bytes of {remote.name} are there; {advice}",
        )
    if arrival.md5 != remote.md5:
        part.unlink()
        raise UserError(
            f"{target}: the checksum is wrong: expected md5 {remote.md5}, got {arrival.md5}; the file was "
            f"deleted; {AGAIN} to fetch it again"
        )
    part.replace(target)


def fetch_json(url: str) -> Any:
    """Return the JSON at an address; raises UserError where there is none."""
    content = _retried(lambda: _read_all(url), lambda: 0, lambda: f"check the network, and {AGAIN}")
    try:
        return json.loads(content)
    except ValueError:
        raise UserError(f"{url}: the server answers with something that is not JSON; {AGAIN} later") from None


class _BrokenError(Exception):
    """The connection failed in a way that may pass."""


class _Arrival:
    """The bytes of a file that are there so far, and their md5."""

    def __init__(self, remote: RemoteFile, file: BinaryIO, progress: Progress) -> None:
        self.remote = remote
        self._file = file
        self._progress = progress
        self.restart(cut=False)
        while chunk := file.read(CHUNK):
            self._count(chunk, "checking")
        if self.size > remote.size:  # of another file: nothing that follows could make it right
            self.restart()

    @property
    def md5(self) -> str:
        return self._digest.hexdigest()

    def restart(self, cut: bool = True) -> None:
        """Count from the first byte again; with `cut`, forget the bytes that are there."""
        self._file.seek(0)
        if cut:
            self._file.truncate()
        self.size = 0
        self._digest = hashlib.md5(usedforsecurity=False)

    def add(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._file.flush()
        self._count(chunk, "fetching")

    def _count(self, chunk: bytes, doing: str) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
        self._progress(f"{doing} {self.remote.name}", self.size, self.remote.size)


def _receive(arrival: _Arrival) -> None:
    """Fetch what is missing over one connection."""
    remote = arrival.remote
    if arrival.size == remote.size:
        return
    with _open(remote.url, arrival.size) as response:
        start, size = _announced(response, arrival.size)
        if size not in (remote.size, None):
            raise _wrong_size(remote, f"{size}")
        if start != arrival.size:  # the server knows no ranges
            arrival.restart()
        while chunk := _read(lambda: response.read1(CHUNK), remote.url):
            if arrival.size + len(chunk) > remote.size:
                arrival.restart()
                raise _wrong_size(remote, "more")
            arrival.add(chunk)
    if arrival.size < remote.size:
        raise _BrokenError(f"{remote.url}: the connection broke off")


def _wrong_size(remote: RemoteFile, sent: str) -> UserError:
    return UserError(
        f"{remote.url}: the record says {remote.size} bytes, the server sends {sent}; {AGAIN} later, and "
        "tell who publishes the record where that does not help"
    )


def _announced(response: http.client.HTTPResponse, asked: int) -> tuple[int, int | None]:
    """Return the first byte that the server sends, and the size of the whole file where it is given."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not given or int(given[1]) != asked:
            raise _BrokenError(f"{response.url}: the server sends another range than it was asked for")
        return asked, None if given[2] == "*" else int(given[2])
    return 0, response.length  # None where the server sends without saying how much


def _retried(step: Callable[[], T], reached: Callable[[], int], advice: Callable[[], str]) -> T:
    """Return what `step` returns, trying again while it fails in a way that may pass.

    `reached` returns the progress: as long as that grows, the tries are not counted.
    """
    failures, furthest = 0, reached()
    while True:
        try:
            return step()
        except _BrokenError as error:
            failures = 1 if reached() > furthest else failures + 1
            furthest = max(furthest, reached())
            if failures > len(WAITS_S):
                raise UserError(f"{error}, {failures} times in a row; {advice()}") from None
            time.sleep(WAITS_S[failures - 1])


def _read_all(url: str) -> bytes:
    with _open(url, 0) as response:
        return _read(response.read, url)


def _open(url: str, start: int) -> http.client.HTTPResponse:
    """Ask for the bytes from `start` on."""
    ranges = {"Range": f"bytes={start}-"} if start else {}
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "audio-tagging", **ranges})
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in PASSING:
            raise _BrokenError(f"{url}: the server answers {error.code} {error.reason}") from None
        raise UserError(
            f"{url}: the server answers {error.code} {error.reason}; look at the address in a browser, and "
            f"{AGAIN} when it answers there"
        ) from None
    except urllib.error.URLError as error:
        raise _BrokenError(f"{url}: no connection ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"{url}: no connection ({error})") from None
    except ValueError as error:
        raise UserError(f"{url}: this is no address ({error}); look at it in a browser") from None


def _read(read: Callable[[], bytes], url: str) -> bytes:
    """Read from the network alone, so that its errors are not taken for those of a full disk."""
    try:
        return read()
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"{url}: the connection broke off ({error})") from None
