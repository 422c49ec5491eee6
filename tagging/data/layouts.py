"""Reads a folder of labelled sound in either of two layouts, and checks it in full before any work.

FSDKaggle2019: `train_curated.csv` with `train_curated/`, `sample_submission.csv` with `test/`, and
`train_noisy.csv` with `train_noisy/`; the noisy and the test split may be absent. Own data: exactly one
CSV table with the columns fname and labels, the sound beside it or in one subfolder.
"""

from __future__ import annotations

from pathlib import Path

from tagging.data.dataset import Dataset
from tagging.data.fsdkaggle import CURATED, SUBMISSION, read_fsdkaggle
from tagging.data.own_data import read_own_data
from tagging.errors import UserError


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
