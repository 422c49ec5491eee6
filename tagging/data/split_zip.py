"""Opens a zip archive that was split into parts, which Python's zipfile refuses or misreads.

In a split archive every place is given as (number of the part, offset in that part). One file laid over
the parts needs other numbers: the offset from the start of the first part, and 0 for the part. So the
parts are read as they lie, nothing is copied, and only the list of entries at the end is replaced by a
mended one in memory. That list is always written in the zip64 form, because the places in 20 GB do not
fit the older one.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from tagging.errors import UserError

# the records of APPNOTE.TXT, sections 4.3.12 and 4.3.14 to 4.3.16, each from its signature on
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")
_PACKED, _SIZE, _NAME, _EXTRA, _COMMENT, _PART, _OFFSET = 8, 9, 10, 11, 12, 13, 16  # fields of _ENTRY
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF  # "look into the zip64 field"
_LONGEST_END = _END.size + 0xFFFF  # with the longest comment


@contextmanager
def open_zip(parts: Sequence[Path]) -> Iterator[zipfile.ZipFile]:
    """Open an archive for reading, given its parts in order: .z01, .z02, ... .zip, or .zip alone.

    Raises UserError where the parts are no whole archive, and where an entry read inside the context is
    damaged.
    """
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(part.open("rb")) for part in parts]
            whole = files[0] if len(files) == 1 else _mended(files)
            archive = stack.enter_context(zipfile.ZipFile(whole))
            archive.filename = str(parts[-1])  # for messages: parts that are joined have no name
            yield archive
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, EOFError) as error:
        raise UserError(
            f"{parts[-1]}: the archive cannot be unpacked ({error}); delete it"
            f"{' and its other parts' if len(parts) > 1 else ''}, and start the same command again"
        ) from None


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


def _mended(files: Sequence[BinaryIO]) -> BinaryIO:
    """Return the parts as one archive that is not split."""
    lengths = [file.seek(0, io.SEEK_END) for file in files]
    joined = _Joined(files, lengths)
    whole = io.BufferedReader(joined)
    start, size = _find_directory(whole, joined.starts)
    whole.seek(start)
    entries = _mend_entries(whole.read(min(size, joined.starts[-1])), joined.starts)
    directory = b"".join(entries)
    tail = directory + _end_records(len(entries), len(directory), start)
    kept = [max(0, min(length, start - at)) for length, at in zip(lengths, joined.starts, strict=False)]
    return io.BufferedReader(_Joined([*files, io.BytesIO(tail)], [*kept, len(tail)]))


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


def _mend_entries(directory: bytes, starts: Sequence[int]) -> list[bytes]:
    """Return the entries of the list with their places counted from the first part's start."""
    entries, at = [], 0
    while at < len(directory):
        fields = list(_ENTRY.unpack_from(directory, at))
        if fields[0] != b"PK\1\2":
            raise zipfile.BadZipFile("its list of entries is damaged")
        name_at = at + _ENTRY.size
        extra_at = name_at + fields[_NAME]
        comment_at = extra_at + fields[_EXTRA]
        at = comment_at + fields[_COMMENT]
        extra = _mend_place(fields, directory[extra_at:comment_at], starts)
        entries.append(_ENTRY.pack(*fields) + directory[name_at:extra_at] + extra + directory[comment_at:at])
    return entries


def _mend_place(fields: list[int], extra: bytes, starts: Sequence[int]) -> bytes:
    """Change an entry's place in `fields`; return its extra field, which holds the place in zip64 form."""
    others, large = _split_extra(extra)
    # sizes, offset and part stand in this order, each only where the entry itself has no room for it
    wide = io.BytesIO(large)
    sizes = [_number(wide, "<Q") for field in (_SIZE, _PACKED) if fields[field] == _FULL32]
    offset = _number(wide, "<Q") if fields[_OFFSET] == _FULL32 else fields[_OFFSET]
    part = _number(wide, "<L") if fields[_PART] == _FULL16 else fields[_PART]
    content = struct.pack(f"<{len(sizes) + 1}Q", *sizes, _place(starts, part, offset))
    mended = struct.pack("<2H", 1, len(content)) + content + others
    fields[_PART], fields[_OFFSET], fields[_EXTRA] = 0, _FULL32, len(mended)
    return mended


def _number(content: BinaryIO, form: str) -> int:
    (number,) = struct.unpack(form, content.read(struct.calcsize(form)))
    return int(number)


def _split_extra(extra: bytes) -> tuple[bytes, bytes]:
    """Return the extra field without its zip64 record, and that record's content."""
    others, large, at = b"", b"", 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        end = at + 4 + length
        if kind == 1:
            large = extra[at + 4 : end]
        else:
            others += extra[at:end]
        at = end
    return others, large


def _end_records(count: int, size: int, start: int) -> bytes:
    """Return what ends an archive in one part, whose list of entries starts at `start`."""
    end64 = _END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, count, count, size, start)
    locator = _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    return end64 + locator + _END.pack(b"PK\5\6", 0, 0, _FULL16, _FULL16, _FULL32, _FULL32, 0)
