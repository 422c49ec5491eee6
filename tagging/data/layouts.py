"""Reads a folder of labelled sound in either of two layouts, and checks it in full before any work.

FSDKaggle2019: `train_curated.csv` with `train_curated/`, `sample_submission.csv` with `test/`, and
`train_noisy.csv` with `train_noisy/`; the noisy and the test split may be absent. Own data: exactly one
CSV table with the columns fname and labels, the sound beside it or in one subfolder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tagging.data.dataset import Dataset, no_clips, read_clips
from tagging.data.findings import Findings, quoted
from tagging.data.fsdkaggle import CURATED, SUBMISSION, read_fsdkaggle
from tagging.data.labels import class_names, split_labels, warn_of_alike, warn_of_joined
from tagging.data.listing import SoundFolder, is_hidden
from tagging.data.tables import Table, read_table
from tagging.errors import UserError

_TRIED = 100  # names, where none is spelt as a file: enough to find the folder


def read_dataset(folder: Path, name: str = "") -> Dataset:
    """Read the classes, clips and labels of a data set; its name is by default the folder's.

    Several labels in a field are separated by commas; further columns are kept as text. Classes stand in
    the order of `sample_submission.csv`, or sorted where there is none. An fname is relative to the
    folder of the sound and must stay below it. No sound is decoded.

    Raises UserError with all problems at once: missing folders, tables and files, tables that cannot be
    read, empty tables and fields, unknown labels, files listed twice, paths that lead out of the folder.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "there is no such folder"
        raise UserError(f"{folder}: {what}; give the folder that holds the tables and the sound")
    root = folder.resolve()
    is_fsdkaggle = any((root / table).is_file() for table in (f"{CURATED}.csv", SUBMISSION))
    read = read_fsdkaggle if is_fsdkaggle else read_own_data
    return read(root, name or root.name)


def read_own_data(root: Path, name: str) -> Dataset:
    """Read a folder with one table; classes are its labels, sorted. Raises UserError with all problems."""
    table = read_table(_only_table(root), ("fname", "labels"))
    fields = table.columns["labels"]
    classes = tuple(class_names(fields))
    findings = Findings()
    allowed = "labels are separated by commas"
    curated = read_clips(table, _sound_folder(root, table), classes, allowed, findings)
    findings.stop_if_any()
    rows = {label: row for row, field in reversed([*enumerate(fields)]) for label in split_labels(field)}
    first = {name: table.where(rows[name]) for name in classes}
    findings.warnings += [*warn_of_alike(classes, first.__getitem__), *warn_of_joined(classes, first.__getitem__)]
    empty = no_clips(len(classes))
    return Dataset(name, root, classes, curated, empty, empty, tuple(findings.warnings))


def _only_table(root: Path) -> Path:
    files = sorted(path for path in root.iterdir() if path.suffix.lower() == ".csv" and path.is_file())
    tables = [path for path in files if not path.name.startswith(".")]
    if not tables:
        raise UserError(
            f"{root}: there is no table; put one CSV file with the columns fname,labels into this folder, "
            "or the tables of FSDKaggle2019"
        )
    if len(tables) > 1:
        raise UserError(
            f"{root}: there are {len(tables)} tables, {quoted(path.name for path in tables)}; "
            "leave the one with the columns fname,labels and move the others away"
        )
    return tables[0]


def _sound_folder(root: Path, table: Table) -> Path:
    """Return the table's folder or its subfolder, whichever holds files that the table names."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not is_hidden(path.name))
    fnames = table.columns["fname"]
    first_parts = {fname.partition("/")[0] for fname in fnames}
    holding = [folder for folder in (root, *folders) if _names(folder) & first_parts]
    if not holding:
        nearly = [folder for folder in (root, *folders) if _nearly_holds(folder, fnames)]
        holding = [root] if root in nearly else nearly
    if len(holding) > 1:
        raise UserError(
            f"{table.path}: its files are found in several folders, {quoted(map(str, holding))}; keep the sound "
            "beside the table or in one subfolder"
        )
    if holding:
        return holding[0]
    # nothing matches: the messages about missing files name the likeliest place
    return folders[0] if len(folders) == 1 else root


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except PermissionError:  # the message about missing files names it
        return set()


def _nearly_holds(folder: Path, fnames: Sequence[str]) -> bool:
    """Whether one of the first names leads to a file of another spelling."""
    try:
        found = SoundFolder(folder)
    except UserError:
        return False
    return any(found.match(fname).file for fname in fnames[:_TRIED])
