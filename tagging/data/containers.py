"""What the headers of sound files announce about their length; libsndfile says nothing where that is wrong."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

# sizes that programs write which do not know the length beforehand: none, or about as much as fits into 31 or 32 bits
UNKNOWN = (0, -1)
BOUNDLESS = 0x7FFFF000
MP3_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")
MP3_TAG_REACH = 2048  # bytes; the tag stands in the first frame, and no frame is longer
OGG_MAGIC = b"OggS"  # a page begins with it
OGG_PAGE = 27  # bytes of a page's header, of which the last is the number of sizes that follow
OPUS_RATE = 48000  # Hz, in which Opus counts whatever the rate of its sound
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


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
            if not head.startswith(OGG_MAGIC[: len(head)]):
                return False
            if len(head) < OGG_PAGE:
                return True
            sizes = file.read(head[-1])
            if len(sizes) < head[-1] or file.seek(sum(sizes), os.SEEK_CUR) > size:
                return True
    return False


def ogg_gaps(path: Path) -> list[tuple[int, int | None]]:
    """Return where pages of an Ogg file are damaged or missing: the positions of the whole pages before and after.

    A position is that of a page's last sample, as Ogg counts (Opus at 48 kHz, others at the file's rate), None where no
    whole page follows. A page is held against its checksum and its number. Empty for other files; whole pages that are
    missing at the end are not noticed.
    """
    gaps: list[tuple[int, int | None]] = []
    numbers: dict[bytes, int] = {}
    before, lost, damaged = 0, False, False
    with path.open("rb") as file:
        place = 0 if _is_page(file, 0) else None
        while place is not None:
            page = _ogg_page(file, place)
            if page is None:  # damaged, or what follows the last page without being one, which does not count
                damaged |= not lost and _is_page(file, place)
                lost, place = True, _find(file, OGG_MAGIC, place + 1)
                continue
            lost |= page.number != numbers.get(page.stream, page.number)
            numbers[page.stream] = page.number + 1
            if page.position >= 0:  # else no packet ends in it
                gaps += [(before, page.position)] if lost else []
                before, lost, damaged = page.position, False, False
            place += page.size
    return [*gaps, (before, None)] if damaged else gaps


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


class _Page(NamedTuple):
    """A page of an Ogg file: its number in its stream, the position of its last sample (or -1), its size in bytes."""

    stream: bytes
    number: int
    position: int
    size: int


def _is_page(file: BinaryIO, place: int) -> bool:
    file.seek(place)
    return file.read(len(OGG_MAGIC)) == OGG_MAGIC


def _ogg_page(file: BinaryIO, place: int) -> _Page | None:
    """Read the page that begins at a place, None where there is none or its checksum is wrong."""
    file.seek(place)
    head = file.read(OGG_PAGE)
    if len(head) < OGG_PAGE or not head.startswith(OGG_MAGIC):
        return None
    sizes = file.read(head[-1])
    body = file.read(sum(sizes))
    position, stream, number, checksum = struct.unpack("<q4sII", head[6:26])
    if _ogg_checksum(head[:22] + bytes(4) + head[26:] + sizes + body) != checksum:
        return None
    return _Page(stream, number, position, OGG_PAGE + len(sizes) + len(body))


def _ogg_checksum(page: bytes) -> int:
    """Return the CRC-32 of a page as RFC 3533 has it: zlib's polynomial, but from the highest bit on and from 0."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def _find(file: BinaryIO, word: bytes, place: int) -> int | None:
    """Return where a word stands next, from a place on."""
    file.seek(place)
    held = b""
    while block := file.read(2**16):
        held += block
        if (found := held.find(word)) >= 0:
            return place + found
        place += len(held) - len(word) + 1
        held = held[-len(word) + 1 :]
    return None


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
