"""Zip archives in memory, whole and split as Info-ZIP's `zip -s` splits them."""

from __future__ import annotations

import io
import struct
import zipfile


def pack(folder: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir(folder)
        for name, content in files.items():
            archive.writestr(f"{folder}/{name}", content)
    return buffer.getvalue()


def split(archive: bytes, part_size: int, zip64: bool = False) -> list[bytes]:
    """Split an archive as `zip -s` does: a marker first, places as (part, offset), headers never torn apart."""
    parts = [b"PK\7\x08"]
    directory = []
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        for entry in source.infolist():
            header_at = entry.header_offset
            name_size, extra_size = struct.unpack_from("<2H", archive, header_at + 26)
            header = archive[header_at : header_at + 30 + name_size + extra_size]
            content = archive[header_at + len(header) :][: entry.compress_size]
            if len(parts[-1]) + len(header) > part_size:
                parts.append(b"")
            place = (len(parts) - 1, len(parts[-1]))
            parts[-1] += header
            while content:
                room = part_size - len(parts[-1])
                parts[-1] += content[:room]
                content = content[room:]
                if content:
                    parts.append(b"")
            directory.append(directory_entry(entry, *place, zip64))
    count, listed = len(directory), b"".join(directory)
    if len(parts[-1]) + len(listed) > part_size:
        parts.append(b"")
    last, start = len(parts) - 1, len(parts[-1])
    parts[-1] += listed
    if zip64:
        end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, last, last, count, count, len(listed), start)
        parts[-1] += end64 + struct.pack("<4sLQL", b"PK\6\7", last, start + len(listed), last + 1)
        end = (last, last, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    else:
        end = (last, last, count, count, len(listed), start)
    parts[-1] += struct.pack("<4s4H2LH", b"PK\5\6", *end, 7) + b"comment"
    return parts


def directory_entry(entry: zipfile.ZipInfo, part: int, offset: int, zip64: bool) -> bytes:
    name, extra = entry.filename.encode(), struct.pack("<2HL", 0x7777, 4, 1)
    sizes: tuple[int, int] = (entry.compress_size, entry.file_size)
    if zip64:
        extra += struct.pack("<2H3QL", 1, 28, entry.file_size, entry.compress_size, offset, part)
        sizes, offset, part = (0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, 0xFFFF
    numbers = (20, 20, entry.flag_bits, entry.compress_type, 0, 33, entry.CRC, *sizes, len(name), len(extra), 0)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers, part, 0, 0, offset) + name + extra
