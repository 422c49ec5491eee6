"""The layout of FSDKaggle2019: three tables and three folders; the classes are the columns of the submission."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tagging.data.dataset import Clips, Dataset, no_clips, read_clips
from tagging.data.findings import Findings, quoted
from tagging.data.labels import warn_of_alike
from tagging.data.listing import find_files
from tagging.data.tables import Table, read_table, write_table
from tagging.errors import UserError

CURATED, NOISY, TEST = "train_curated", "train_noisy", "test"
SUBMISSION = "sample_submission.csv"
VOCABULARY = "vocabulary.csv"
TEST_TABLE = "test_post_competition.csv"  # its column `usage` parts the test clips into Public and Private
TRAIN_TABLES = {f"{split}.csv": f"{split}_post_competition.csv" for split in (CURATED, NOISY)}
TABLES = (*TRAIN_TABLES, TEST_TABLE, SUBMISSION)  # those that `write_tables` leaves behind


def read_fsdkaggle(root: Path, name: str) -> Dataset:
    """Read a data set in the layout of FSDKaggle2019; raises UserError with all its problems."""
    findings = Findings()
    submission = _read(root / SUBMISSION, ("fname",), findings)
    classes = _classes(submission, findings) if submission else ()
    curated = _split(root, CURATED, classes, findings)
    noisy = _split(root, NOISY, classes, findings)
    test = _test(root / TEST, submission, len(classes), findings) if submission else None
    findings.stop_if_any()
    assert test is not None  # no submission table is a problem, so it was raised
    return Dataset(name, root, classes, curated, noisy, test, tuple(findings.warnings))


def _read(path: Path, required: tuple[str, ...], findings: Findings) -> Table | None:
    """Read a table; where that fails, note why."""
    if not path.is_file():
        findings.problems.append(
            f"{path}: this table is missing; the layout of FSDKaggle2019 needs {CURATED}.csv and "
            f"{SUBMISSION}, and your own data needs one table of another name"
        )
        return None
    try:
        return read_table(path, required)
    except UserError as error:
        findings.problems.extend(error.problems)
        return None


def _classes(submission: Table, findings: Findings) -> tuple[str, ...]:
    header = tuple(submission.columns)
    if header[0] != "fname" or len(header) < 2:
        findings.problems.append(
            f"{submission.path}, line 1: the header must be fname and then one column a class; "
            f"it is {','.join(header)!r}"
        )
    classes = tuple(column for column in header if column != "fname")
    findings.warnings += warn_of_alike(classes, lambda _: f"{submission.path}, line 1")
    return classes


def _split(root: Path, split: str, classes: tuple[str, ...], findings: Findings) -> Clips:
    """Read a labelled split; the noisy one is absent where neither table nor folder is there."""
    path, sound = root / f"{split}.csv", root / split
    if split == NOISY and not path.exists():
        if sound.exists():
            findings.problems.append(
                f"{path}: this table is missing; it lists the clips of {sound}: add it, or remove that folder"
            )
        return no_clips(len(classes))
    table = _read(path, ("fname", "labels"), findings)
    if table is None:
        return no_clips(len(classes))
    return read_clips(table, sound, classes or None, f"the classes are the columns of {SUBMISSION}", findings)


def _test(sound: Path, submission: Table, class_count: int, findings: Findings) -> Clips:
    """Read the test split; it is absent where its folder is."""
    fnames = submission.columns["fname"]
    if not sound.is_dir():
        if fnames:
            findings.warnings.append(
                f"{sound}: there is no such folder, so no clip of {SUBMISSION} ({len(fnames)}) is predicted"
            )
        return no_clips(class_count)
    if not fnames:
        findings.problems.append(
            f"{submission.path}: the table lists no clip; list those of {sound}, or remove that folder"
        )
    paths = find_files(fnames, submission.where, sound, findings)
    labels = np.zeros((len(fnames), class_count), np.float32)
    return Clips(fnames, tuple(paths), labels, {}, submission.path, submission.lines)


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
        _write_whole(folder / name, [list(columns), *rows])
    fnames = read_table(meta / TEST_TABLE, ("fname", "labels", "usage")).columns["fname"]
    classes = sorted(_read_vocabulary(meta / VOCABULARY))
    zeros = ["0"] * len(classes)
    _write_whole(folder / SUBMISSION, [["fname", *classes], *([name, *zeros] for name in sorted(fnames))])
    (meta / TEST_TABLE).replace(folder / TEST_TABLE)


def _read_vocabulary(path: Path) -> list[str]:
    """Return the labels: the second column, under a header or without."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and not rows[0][0].strip().isdigit():
        rows = rows[1:]
    if not rows or any(len(row) < 2 for row in rows):
        raise UserError(f"{path}: each line must be a number, a comma and a class, such as 0,Accordion")
    return [row[1].strip() for row in rows]


def _write_whole(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write a table that has its name only once it is whole."""
    partial = path.with_name(f".{path.name}.partial")
    write_table(partial, rows)
    partial.replace(path)
