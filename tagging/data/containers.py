"""What the headers of sound files announce about their length; libsndfile says nothing where that is wrong."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

# sizes that programs write which do not know the length beforehand: none, or about as much as fits into 31 or 32 bits
UNKNOWN = (0, -1)
BOUNDLESS = 0x7FFFF000
MP3_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")
MP3_TAG_REACH = 2048  # bytes; the tag stands in the first frame, and no frame is longer
OGG_PAGE = 27  # bytes of a page's header, of which the last is the number of sizes that follow


class Payload(NamedTuple):
    """Bytes of sound that a header announces, and those that the file holds after it."""

    announced: int
    present: int


def payload(path: Path) -> Payload | None:
    """Read the size of the sound in a WAV (RIFF, RIFX, RF64), AIFF, AU or CAF file, of the whole file in W64.

    None for other files, for a header without a sound chunk, and for a size left unknown by its writer.
    """
    with path.open("rb") as file:
        magic, _, form = struct.unpack("4s4s4s", file.read(12).ljust(12, b"\0"))
        found = _announced(file, magic, form)
        if not found or found[0] in UNKNOWN or found[0] >= BOUNDLESS:
            return None
        announced, start = found
        return Payload(announced, max(0, os.fstat(file.fileno()).st_size - start))


def ogg_is_torn(path: Path) -> bool:
    """Whether an Ogg file ends inside a page; one that was cut exactly between two pages is not noticed."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while head := file.read(OGG_PAGE):
            if not head.startswith(b"OggS"[: len(head)]):
                return False
            if len(head) < OGG_PAGE:
                return True
            sizes = file.read(head[-1])
            if len(sizes) < head[-1] or file.seek(sum(sizes), os.SEEK_CUR) > size:
                return True
    return False


def mp3_announces_length(path: Path) -> bool:
    """Whether an MP3 file holds a tag with its number of frames; without it the length is estimated."""
    with path.open("rb") as file:
        head = file.read(10).ljust(10, b"\0")
        if head[:3] == b"ID3":
            # an ID3 tag (title, cover picture) comes first; its size is kept in four times seven bits
            file.seek(10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)))
        else:
            file.seek(0)
        beginning = file.read(MP3_TAG_REACH)
    return any(tag in beginning for tag in MP3_LENGTH_TAGS)


def _announced(file: BinaryIO, magic: bytes, form: bytes) -> tuple[int, int] | None:
    """Return the announced size of the sound, and the position of its first byte."""
    if form == b"WAVE" and magic in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return _wave(file, ">4sI" if magic == b"RIFX" else "<4sI")
    if form in (b"AIFF", b"AIFC") and magic == b"FORM":
        return _chunk(file, b"SSND", ">4sI", 12, align=2)
    if magic == b"caff":
        return _chunk(file, b"data", ">4sq", 8, align=1)
    if magic in (b".snd", b"dns."):  # AU, in either order of bytes
        start, size = _numbers(file, ">2I" if magic == b".snd" else "<2I", 4)
        return size, start
    if magic == b"riff":  # W64: after a name of 16 bytes stands the size of the whole file
        return _numbers(file, "<q", 16)[0], 0
    return None


def _wave(file: BinaryIO, head: str) -> tuple[int, int] | None:
    """Find the data chunk; in a file beyond 4 GB its size stands in a chunk of its own before it."""
    found = _chunk(file, b"data", head, 12, align=2)
    if found and found[0] == 0xFFFFFFFF and (long := _chunk(file, b"ds64", head, 12, align=2)):
        return _numbers(file, "<8xq", long[1])[0], found[1]
    return found


def _chunk(file: BinaryIO, name: bytes, head: str, position: int, align: int) -> tuple[int, int] | None:
    """Return the size and the position of the content of the first chunk of a name.

    `head` is the form of a chunk's name and size, `position` where the first chunk stands; each begins at a
    multiple of `align` bytes.
    """
    length = struct.calcsize(head)
    end = os.fstat(file.fileno()).st_size
    while position + length <= end:
        file.seek(position)
        given, size = struct.unpack(head, file.read(length))
        position += length
        if given == name:
            return size, position
        if size < 0:
            return None
        position += size + -size % align
    return None


def _numbers(file: BinaryIO, form: str, position: int) -> tuple[int, ...]:
    """Read numbers at a position; zeros where the file ends before."""
    file.seek(position)
    size = struct.calcsize(form)
    return struct.unpack(form, file.read(size).ljust(size, b"\0"))
