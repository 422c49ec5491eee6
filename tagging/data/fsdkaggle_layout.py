"""Brings the published archives of FSDKaggle2019 into the layout that the competition had."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from zipfile import ZipFile, ZipInfo

from tagging.data.findings import quoted
from tagging.data.fsdkaggle import CURATED, NOISY, SUBMISSION
from tagging.data.listing import is_hidden
from tagging.data.remote_files import CHUNK, Progress
from tagging.data.tables import read_table
from tagging.errors import UserError

VOCABULARY = "vocabulary.csv"
TEST_TABLE = "test_post_competition.csv"  # its column `usage` parts the test clips into Public and Private
TRAIN_TABLES = {f"{half}.csv": f"{half}_post_competition.csv" for half in (CURATED, NOISY)}
TABLES = (*TRAIN_TABLES, TEST_TABLE, SUBMISSION)  # those that `write_tables` leaves behind

# sound grows to one and a half times its packed size, a table to some ten times, zeros to a thousand times
MOST_GROWTH = 20
ALWAYS_UNPACKED = 100_000_000  # bytes, whatever they were packed to


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
            f"{archive.filename}: {total:,} bytes would come out of {packed:,}, more than {MOST_GROWTH} times as many, so "
            "nothing of it was unpacked; get the archive from a source that you trust"
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


def write_tables(meta: Path, folder: Path) -> None:
    """Write the tables of the data set in `folder` from the published ones in the folder `meta`.

    The training tables keep all columns, their rows sorted by fname; the test table stays as it is; the
    sample submission has the sorted test clips, the vocabulary's classes in alphabetical order, and zeros.
    Raises UserError where a published table is missing or not as expected.
    """
    missing = [name for name in (*TRAIN_TABLES.values(), TEST_TABLE, VOCABULARY) if not (meta / name).is_file()]
    if missing:
        raise UserError(
            f"{meta}: the archive of the tables holds no {quoted(missing)}, so the record is not FSDKaggle2019 as "
            "published; give --api the address of the record that is"
        )
    for name, published in TRAIN_TABLES.items():
        columns = read_table(meta / published, ("fname", "labels")).columns
        order = list(columns).index("fname")
        rows = sorted(zip(*columns.values(), strict=True), key=lambda row: row[order])
        _write(folder / name, list(columns), rows)
    fnames = read_table(meta / TEST_TABLE, ("fname", "labels", "usage")).columns["fname"]
    classes = sorted(_read_vocabulary(meta / VOCABULARY))
    _write(folder / SUBMISSION, ["fname", *classes], [[name, *["0"] * len(classes)] for name in sorted(fnames)])
    _replace(folder / TEST_TABLE, (meta / TEST_TABLE).read_text("utf-8"))


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


def _read_vocabulary(path: Path) -> list[str]:
    """Return the labels: the second column, under a header or without."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and not rows[0][0].strip().isdigit():
        rows = rows[1:]
    if not rows or any(len(row) < 2 for row in rows):
        raise UserError(f"{path}: each line must be a number, a comma and a class, such as 0,Accordion")
    return [row[1].strip() for row in rows]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    partial = _partial(path)
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    partial.replace(path)


def _replace(path: Path, text: str) -> None:
    _partial(path).write_text(text, "utf-8")
    _partial(path).replace(path)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")
