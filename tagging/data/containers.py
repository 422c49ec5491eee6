"""The length of sound files by their headers: libsndfile does not notice where a file is shorter."""

from __future__ import annotations

import mmap
import os
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

# sizes that programs write which do not know the length beforehand: none, or about as much as fits into 31 or 32 bits
UNKNOWN = (0, -1)
BOUNDLESS = 0x7FFFF000
MP3_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")
# where a frame of MP3 may begin, or an ID3 tag that hides what looks like one
MP3_MARK = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]|ID3[\2-\4]")
# kilobits a second by the index in a frame's header, of MPEG 1 and of the halved rates after it
MP3_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
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
        base = _after_tags(file)
        file.seek(base)
        magic, _, form = struct.unpack("4s4s4s", file.read(12).ljust(12, b"\0"))
        found = _announced(file, magic, form, base)
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
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = 0 if content[: len(OGG_MAGIC)] == OGG_MAGIC else -1
        while place >= 0:
            page = _ogg_page(content, place)
            if page is None:  # damaged, or what follows the last page without being one, which does not count
                damaged |= not lost and content[place : place + len(OGG_MAGIC)] == OGG_MAGIC
                lost, place = True, content.find(OGG_MAGIC, place + 1)
                continue
            lost |= page.number != numbers.get(page.stream, page.number)
            numbers[page.stream] = page.number + 1
            if page.position >= 0:  # else no packet ends in it
                gaps += [(before, page.position)] if lost else []
                before, lost, damaged = page.position, False, False
            place += page.size
    return [*gaps, (before, None)] if damaged else gaps


def mp3_announces_length(path: Path) -> bool:
    """Whether an MP3 file holds a tag with its number of frames; without it the length is estimated.

    The tag stands in the first frame, which is sought as the decoder does: behind ID3 tags and behind any other bytes.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        position = 0
        while found := MP3_MARK.search(content, position):
            position = found.start()
            if content[position : position + 3] == b"ID3":
                position += _tag_size(content[position : position + 10])
            elif size := _mp3_frame(content, position):
                return any(tag in content[position : position + size] for tag in MP3_LENGTH_TAGS)
            else:
                position += 1
    return False


class _Page(NamedTuple):
    """A page of an Ogg file: its number in its stream, the position of its last sample (or -1), its size in bytes."""

    stream: bytes
    number: int
    position: int
    size: int


def _ogg_page(content: mmap.mmap, place: int) -> _Page | None:
    """Read the page that begins at a place, None where there is none or its checksum is wrong."""
    head = content[place : (after := place + OGG_PAGE)]
    if len(head) < OGG_PAGE or not head.startswith(OGG_MAGIC):
        return None
    sizes = content[after : after + head[-1]]
    body = content[after + len(sizes) : after + len(sizes) + sum(sizes)]
    position, stream, number, checksum = struct.unpack("<q4sII", head[6:26])
    if _ogg_checksum(head[:22] + bytes(4) + head[26:] + sizes + body) != checksum:
        return None
    return _Page(stream, number, position, OGG_PAGE + len(sizes) + len(body))


def _ogg_checksum(page: bytes) -> int:
    """Return the CRC-32 of a page as RFC 3533 has it: zlib's polynomial, but from the highest bit on and from 0."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def _mp3_frame(content: mmap.mmap, position: int) -> int:
    """Return the size of the frame that begins at a position; 0 where none does, or none like it follows."""
    header = content[position : position + 4]
    if len(header) < 4 or not MP3_MARK.match(header):
        return 0
    version, rate, hertz, padding = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if rate in (0, 15) or hertz == 3:  # free format, and what means nothing
        return 0
    full = version == 3  # MPEG 1; 2 has half the rates and 0, which is 2.5, a quarter
    sample_rate = (44100, 48000, 32000)[hertz] >> {3: 0, 2: 1, 0: 2}[version]
    size = (144 if full else 72) * 1000 * MP3_RATES[not full][rate] // sample_rate + padding
    following = content[position + size : position + size + 3]
    is_same = following[:2] == header[:2] and (following[2:3] or b"\0")[0] & 12 == header[2] & 12
    return size if is_same or not following else 0


def _after_tags(file: BinaryIO) -> int:
    """Return where a file begins behind its ID3 tags (title, cover picture), however many there are."""
    position = 0
    while (head := file.read(10))[:3] == b"ID3":
        position += _tag_size(head)
        file.seek(position)
    return position


def _tag_size(head: bytes) -> int:
    """Return the size of an ID3 tag by its first ten bytes: four times seven bits, and ten for a footer."""
    head = head.ljust(10, b"\0")
    footer = 10 if head[5] & 0x10 else 0
    return 10 + footer + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


def _announced(file: BinaryIO, magic: bytes, form: bytes, base: int) -> tuple[int, int] | None:
    """Return the announced size of the sound, and the position of its first byte; the header lies at `base`."""
    if form == b"WAVE" and magic in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return _wave(file, ">4sI" if magic == b"RIFX" else "<4sI", base + 12)
    if form in (b"AIFF", b"AIFC") and magic == b"FORM":
        return _chunk(file, b"SSND", ">4sI", base + 12, align=2)
    if magic == b"caff":
        return _chunk(file, b"data", ">4sq", base + 8, align=1)
    if magic in (b".snd", b"dns."):  # AU, in either order of bytes
        start, size = _numbers(file, ">2I" if magic == b".snd" else "<2I", base + 4)
        return size, base + start
    if magic == b"riff":  # W64: after a name of 16 bytes stands the size of the whole file
        return _numbers(file, "<q", base + 16)[0], base
    return None


def _wave(file: BinaryIO, head: str, first: int) -> tuple[int, int] | None:
    """Find the data chunk; in a file beyond 4 GB its size stands in a chunk of its own before it."""
    found = _chunk(file, b"data", head, first, align=2)
    if found and found[0] == 0xFFFFFFFF and (long := _chunk(file, b"ds64", head, first, align=2)):
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
