"""What WAV, AIFF and MP3 files announce about their length; libsndfile says nothing where that is wrong."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

UNKNOWN = (0, 0xFFFFFFFF)  # sizes that programs write which do not know the length beforehand
MP3_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")
MP3_TAG_REACH = 2048  # bytes; the tag stands in the first frame, and no frame is longer


class Payload(NamedTuple):
    """Bytes of sound that a header announces, and those that the file holds after it."""

    announced: int
    present: int


def payload(path: Path) -> Payload | None:
    """Read the size of the sound chunk of a WAV (RIFF, RIFX, RF64) or AIFF file.

    None for other files, for a header without a sound chunk, and for a size left unknown by its writer.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        magic, _, form = struct.unpack("4s4s4s", file.read(12).ljust(12, b"\0"))
        if form == b"WAVE" and magic in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
            order, wanted = (">" if magic == b"RIFX" else "<"), b"data"
        elif form in (b"AIFF", b"AIFC") and magic == b"FORM":
            order, wanted = ">", b"SSND"
        else:
            return None
        long_size = 0
        for name, announced, start in _chunks(file, order):
            if name == b"ds64":  # sizes of 64 bits: the whole file's, then the data chunk's
                long_size = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
            if name == wanted:
                if announced == 0xFFFFFFFF and long_size:
                    announced = long_size
                return None if announced in UNKNOWN else Payload(announced, size - start)
    return None


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


def _chunks(file: BinaryIO, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, announced size, position of its content) of each chunk, the file standing there."""
    position = 12
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", head)
        yield name, size, position + 8
        position += 8 + size + size % 2  # chunks begin at even positions
        file.seek(position)
