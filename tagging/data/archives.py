"""Opens zip archives, also those split into parts, which Python's zipfile refuses or misreads, and unpacks them.

In a split archive every place is given as (number of the part, offset in that part). zipfile reads one file and takes
the offset for a place in it. So the parts are laid end to end as they are, without a copy, the records at the end of
the list of entries are replaced in memory by those of a single file, and the offset of each entry is corrected.
"""

from __future__ import annotations

import io
import shutil
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate, pairwise
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from tagging.data.listing import is_hidden
from tagging.data.remote_files import CHUNK, Progress
from tagging.errors import UserError

# the records of APPNOTE.TXT, sections 4.3.14 to 4.3.16, each from its signature on
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF  # "see the zip64 record"
_LONGEST_END = _END.size + 0xFFFF  # with the longest comment

# sound grows to one and a half times its packed size, a table to some ten times, zeros to a thousand times
MOST_GROWTH = 20
ALWAYS_UNPACKED = 100_000_000  # bytes, whatever they were packed to


@contextmanager
def open_zip(parts: Sequence[Path]) -> Iterator[ZipFile]:
    """Open an archive for reading, given its parts in order: .z01, .z02, ... .zip, or .zip alone.

    Raises UserError where the parts are no whole archive, and where an entry read inside the context is
    damaged.
    """
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(part.open("rb")) for part in parts]
            if len(files) == 1:
                archive = stack.enter_context(ZipFile(files[0]))
            else:
                archive = stack.enter_context(_of_parts(files))
            archive.filename = str(parts[-1])  # for messages: parts that are joined have no name
            yield archive
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, EOFError) as error:
        raise UserError(
            f"{parts[-1]}: the archive cannot be unpacked ({error}); delete it"
            f"{' and its other parts' if len(parts) > 1 else ''}, and start the same command again"
        ) from None


def unpack(archive: ZipFile, target: Path, packed: int, progress: Progress) -> None:
    """Unpack the files of an archive into one flat folder, without the folders that the archive names.

    A file that is there in its full size stays; each gets its name only when it is whole. Hidden files,
    which some systems add, are left out. Raises UserError, before anything is written, where an entry
    leads out of the archive, two have the same name, or more would come out than the archive's size of
    `packed` bytes explains; zipfile's errors where one is damaged, or longer than it says.
    """
    entries = _files_of(archive)
    total = sum(entry.file_size for entry in entries.values())
    if total > max(ALWAYS_UNPACKED, MOST_GROWTH * packed):
        raise UserError(
            f"{archive.filename}: {total:,} bytes would come out of {packed:,}, more than {MOST_GROWTH} times as many, "
            "so nothing of it was unpacked; get the archive from a source that you trust"
        )
    done = 0
    target.mkdir(exist_ok=True)
    partial = target / ".partial"
    for name, entry in entries.items():
        path = target / name
        if not path.exists() or path.stat().st_size != entry.file_size:
            with archive.open(entry) as content, partial.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK)
            partial.replace(path)
        done += entry.file_size
        progress(f"unpacking {target.name}", done, total)
    partial.unlink(missing_ok=True)  # of a killed process that had written the file after all


class _Joined(io.RawIOBase):
    """Files laid end to end and read as one; of each, its first `lengths[i]` bytes."""

    def __init__(self, files: Sequence[BinaryIO], lengths: Sequence[int]) -> None:
        self._files = files
        self.starts = [0, *accumulate(lengths)]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.starts[-1]}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base has no type for it
        index = bisect_right(self.starts, self._position) - 1
        if index == len(self._files):
            return 0
        self._files[index].seek(self._position - self.starts[index])
        content = self._files[index].read(min(len(buffer), self.starts[index + 1] - self._position))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def _of_parts(files: Sequence[BinaryIO]) -> ZipFile:
    """Open the parts of a split archive as one."""
    joined = _Joined(files, [file.seek(0, io.SEEK_END) for file in files])
    start, size = _find_directory(io.BufferedReader(joined), joined.starts)
    # zipfile counts the entries itself
    end64 = _END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, 0, 0, size, start)
    locator = _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    end = end64 + locator + _END.pack(b"PK\5\6", 0, 0, _FULL16, _FULL16, _FULL32, _FULL32, 0)
    kept = [max(0, min(after, start + size) - at) for at, after in pairwise(joined.starts)]
    archive = ZipFile(io.BufferedReader(_Joined([*files, io.BytesIO(end)], [*kept, len(end)])))
    for entry in archive.infolist():
        entry.header_offset = _place(joined.starts, _part_of(entry), entry.header_offset)
        if hasattr(entry, "_end_offset"):  # newer Pythons: where the next entry begins, by the wrong offsets
            entry._end_offset = None
    return archive


def _part_of(entry: ZipInfo) -> int:
    """Return the number of the part that an entry begins in: its own, or the last of its zip64 record."""
    if entry.volume != _FULL16:
        return entry.volume
    extra = entry.extra
    while extra:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            return int(struct.unpack_from("<L", extra, length)[0])
        extra = extra[4 + length :]
    raise zipfile.BadZipFile("its list of entries is damaged")


def _find_directory(whole: BinaryIO, starts: Sequence[int]) -> tuple[int, int]:
    """Return where the list of entries starts, counted from the first part's start, and its size."""
    length = starts[-1]
    whole.seek(max(0, length - _LONGEST_END))
    tail = whole.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise zipfile.BadZipFile("the last part has no end record")
    _, last, part, _, _, size, offset, _ = _END.unpack_from(tail, at)
    if tail[max(0, at - _LOCATOR.size) : at].startswith(b"PK\6\7"):
        _, end_part, end_offset, _ = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
        whole.seek(_place(starts, end_part, end_offset))
        _, _, _, _, last, part, _, _, size, offset = _END64.unpack(whole.read(_END64.size))
    if last != len(starts) - 2:
        raise zipfile.BadZipFile(f"it was split into {last + 1} parts, and {len(starts) - 1} are here")
    return _place(starts, part, offset), size


def _place(starts: Sequence[int], part: int, offset: int) -> int:
    if part >= len(starts) - 1:
        raise zipfile.BadZipFile(f"it points into part {part + 1}, and {len(starts) - 1} are here")
    return starts[part] + offset


def _files_of(archive: ZipFile) -> dict[str, ZipInfo]:
    """Return the entries to unpack by the last part of their names."""
    entries: dict[str, ZipInfo] = {}
    for entry in archive.infolist():
        inner = PurePosixPath(entry.filename)
        if inner.is_absolute() or ".." in inner.parts or "\\" in entry.filename or ":" in entry.filename:
            raise UserError(
                f"{archive.filename}: the entry {entry.filename!r} leads out of the archive, so nothing of it was "
                "unpacked; get the archive from a source that you trust"
            )
        if entry.is_dir() or any(map(is_hidden, inner.parts)):
            continue
        if inner.name in entries:
            raise UserError(
                f"{archive.filename}: the entries {entries[inner.name].filename!r} and {entry.filename!r} have the "
                "same name, so nothing of it was unpacked; get the archive from a source that you trust"
            )
        entries[inner.name] = entry
    return entries
