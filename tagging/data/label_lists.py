"""Label lists: JSON files that correct curated labels, or select noisy clips to trust or to drop.

A list maps fnames to "remove" or to comma-joined labels.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from tagging.data.dataset import Clips
from tagging.data.findings import limited, quoted
from tagging.data.labels import encode_labels, say_unknown
from tagging.errors import UserError

REMOVE = "remove"
_FORM = 'a label list is one JSON object {"clip.wav": "remove" or "Bark,Run", ...}'

# the label lists of the winning solution, which are not part of this project
_REPOSITORY = "github.com/lRomul/argus-freesound"
# name here -> name there, commit, sha1 of the content
_KNOWN = {
    "corrections_C12.json": ("corrections.json", "05a7aee7", "e272047e8a0f752922797d76ade4e424d8cdd620"),
    "corrections_C71.json": ("corrections.json", "9639288b", "61268a444b7dc963b178194df877e1ea46321750"),
    "corrections_C73.json": ("corrections.json", "bdb91501", "e80f8e59e7a875803a2331405c969cfd0ec763d6"),
    "corrections_C76.json": ("corrections.json", "31156c79", "60ac22d71d12e8a91a464a84039055f2b47f06bd"),
    "noisy_corrections_v1.json": ("noisy_corrections.json", "1fb2eea4", "782e91ab16fabab3153488e3ea220e8a05a24915"),
    "noisy_corrections_v2.json": ("noisy_corrections.json", "bdb91501", "e83aca6f6e3b2ed22fb3c1920d0422899e7a696a"),
}


def read_label_list(path: Path) -> dict[str, str]:
    """Read a label list; raises UserError where it is missing, is no such list or names a file twice."""
    if path.is_dir():
        raise UserError(f"{path}: is a folder, not a label list; name the JSON file")
    if not path.is_file():
        hint = "; put it there, or give its path from the project's root"
        if path.name in _KNOWN:
            file, commit, sha1 = _KNOWN[path.name]
            hint = (
                f"; it is {file} of {_REPOSITORY} at commit {commit} (sha1 of its content {sha1}): put it into the "
                "data folder"
            )
        raise UserError(f"{path}: there is no such label list{hint}")
    try:
        pairs = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_Pairs)  # editors put a mark before UTF-8
    except UnicodeDecodeError:
        raise UserError(f"{path}: the label list is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}: not readable as JSON ({error.msg})") from None
    except (RecursionError, ValueError):  # brackets in thousands of brackets, a number of thousands of digits
        raise UserError(f"{path}: {_FORM}") from None
    if not isinstance(pairs, _Pairs):
        raise UserError(f"{path}: {_FORM}")
    _check_pairs(path, pairs)
    return dict(pairs)


def apply_corrections(
    clips: Clips, classes: Sequence[str], entries: Mapping[str, str], origin: Path
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Replace the labels of listed clips; a list replaces a clip's labels as a whole.

    Returns the corrected targets [N, C] float32, the mask [N] bool of clips to remove (their targets
    stay) and warnings. Raises UserError for files that are not in the table and for unknown labels.
    """
    rows, targets, removed, problems = _resolve(clips, classes, entries, origin)
    if problems:
        raise UserError(*problems)
    corrected = clips.labels.copy()
    corrected[rows[~removed]] = targets[~removed]
    mask = np.isin(np.arange(len(clips)), rows[removed])
    changes = mask.any() or not np.array_equal(corrected, clips.labels)
    return corrected, mask, [] if changes else [f"{origin}: the list changes nothing"]


def select_noisy(
    clips: Clips, classes: Sequence[str], entries: Mapping[str, str], origin: Path
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Select noisy clips: an entry with the clip's own labels trusts it, "remove" drops it.

    Returns the masks [N] bool of trusted and of dropped clips, and warnings; trusted clips stay in the
    noisy pool as well. Raises UserError as `apply_corrections`, and for labels other than the table's.
    """
    rows, targets, removed, problems = _resolve(clips, classes, entries, origin)
    kept = rows[~removed]
    other = kept[(clips.labels[kept] != targets[~removed]).any(axis=1)]

    def say(row: int) -> str:
        fname = clips.fnames[row]
        given = ",".join(name for name, value in zip(classes, clips.labels[row], strict=True) if value)
        return (
            f"{origin}: entry {fname!r} says {entries[fname]!r} where the table says {given!r}; a selection "
            "does not relabel: give the table's labels to trust the clip, or 'remove'"
        )

    problems += limited(other.tolist(), say, f"such entries in {origin.name}")
    if problems:
        raise UserError(*problems)
    warnings = [] if len(rows) else [f"{origin}: the list changes nothing"]
    every = np.arange(len(clips))
    return np.isin(every, kept), np.isin(every, rows[removed]), warnings


class _Pairs(list[tuple[str, str]]):
    """A JSON object as read, with names that come twice still there."""


def _check_pairs(path: Path, pairs: Sequence[tuple[str, object]]) -> None:
    counts = Counter(name for name, _ in pairs)
    twice = [name for name, count in counts.items() if count > 1]
    wrong = [name for name, value in pairs if not isinstance(value, str)]
    problems = []
    if twice:
        problems.append(f"{path}: listed more than once: {quoted(twice)}; leave one entry of each")
    if wrong:
        problems.append(f'{path}: neither "remove" nor labels as text: {quoted(wrong)}')
    if problems:
        raise UserError(*problems)


def _resolve(
    clips: Clips, classes: Sequence[str], entries: Mapping[str, str], origin: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return of each usable entry its row in `clips` [E] int64, its targets [E, C] and whether it removes [E] bool.

    Beside them, what is wrong with the others.
    """
    row_of = {fname: row for row, fname in enumerate(clips.fnames)}
    fnames = list(entries)
    removed = np.array([entries[fname].strip() == REMOVE for fname in fnames], bool)
    fields = ["" if remove else entries[fname] for fname, remove in zip(fnames, removed, strict=True)]
    targets, unknown = encode_labels(fields, classes)
    absent = [fname for fname in fnames if fname not in row_of]
    wrong = [(index, label) for index, label in unknown if not removed[index]]
    faulty = {index for index, _ in wrong}
    usable = np.array([name in row_of and index not in faulty for index, name in enumerate(fnames)], bool)
    place = clips.table.name or "the table"

    def say_wrong(found: tuple[int, str]) -> str:
        index, label = found
        field, allowed = fields[index].strip(), "labels must be classes of the data set"
        if not field:
            why = f"the labels are empty; give at least one label, or {REMOVE!r} to leave the clip out; {allowed}"
        else:
            known = [*classes, REMOVE] if label == field else classes
            why = say_unknown(label, field, known, allowed)
        return f"{origin}: entry {fnames[index]!r}: {why}"

    def say_absent(fname: str) -> str:
        return f"{origin}: entry {fname!r} is not in {place}; remove the entry, or mend its name"

    problems = limited(absent, say_absent, f"files that are not in {place}")
    problems += limited(wrong, say_wrong, f"labels to mend in {origin.name}")
    rows = np.array([row_of[fname] for fname in compress(fnames, usable)], np.int64)
    return rows, targets[usable], removed[usable], problems
