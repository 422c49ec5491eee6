"""The layout of FSDKaggle2019: three tables, three folders, classes named by the submission's columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tagging.data.dataset import Clips, Dataset, no_clips
from tagging.data.findings import Findings
from tagging.data.labels import say_twins
from tagging.data.listing import find_files
from tagging.data.rows import read_clips
from tagging.data.tables import Table, read_table
from tagging.errors import UserError

CURATED, NOISY, TEST = "train_curated", "train_noisy", "test"
SUBMISSION = "sample_submission.csv"


def read_fsdkaggle(root: Path, name: str) -> Dataset:
    """Read a data set in the layout of FSDKaggle2019; raises UserError with all its problems."""
    findings = Findings()
    submission = _read(root / SUBMISSION, ("fname",), findings)
    classes = _classes(submission, findings) if submission else ()
    curated = _half(root, CURATED, classes, findings)
    noisy = _half(root, NOISY, classes, findings)
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
    findings.warnings += say_twins(classes, lambda _: f"{submission.path}, line 1")
    return classes


def _half(root: Path, half: str, classes: tuple[str, ...], findings: Findings) -> Clips:
    """Read one labelled half; the noisy one is absent where neither table nor folder is there."""
    path, sound = root / f"{half}.csv", root / half
    if half == NOISY and not path.exists():
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
    """Read the test half; it is absent where its folder is."""
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
