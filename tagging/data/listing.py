"""Finds the files that a table names below one folder of sound; each directory is listed once."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path

import soundfile

from tagging.data.findings import Findings, limited, quoted
from tagging.errors import UserError

# what libsndfile reads, by suffix; only such files are missed when no table lists them
OTHER_SPELLINGS = {".aif", ".aifc", ".oga", ".opus", ".snd", ".wave"}
SOUND_SUFFIXES = {f".{name.lower()}" for name in soundfile.available_formats()} | OTHER_SPELLINGS


def sound_at(place: Path) -> list[Path]:
    """Return the files of sound in a folder, or the one file that is named; UserError where there is none."""
    if not place.exists():
        raise UserError(f"{place}: no such file or folder")
    files = find_sound(place) if place.is_dir() else [place]
    if not files:
        raise UserError(f"{place}: no sound; looked for files ending in {', '.join(sorted(SOUND_SUFFIXES))}")
    return files


def find_sound(folder: Path) -> list[Path]:
    """Return all files at any depth below a folder that bear the suffix of a format of sound, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUND_SUFFIXES and path.is_file())


class SoundFolder:
    """The files below `root`, found by names relative to it, which may hold '/'.

    `root` itself may be a link to another disk; what a name leads to must lie below it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = root.resolve()
        self._listed: dict[str, dict[str, bool]] = {}

    def holds(self, inner: str) -> bool | None:
        """Whether the normalised name is a file below the folder: True, False, or None if it leads out."""
        if inner.startswith(("/", "../")) or inner == "..":
            return None
        head, _, tail = inner.rpartition("/")
        if head not in self._listed:
            self._listed[head] = self._list(self.root / head)
        inside = self._listed[head].get(tail, False)
        return inside or (None if tail in self._listed[head] else False)

    def unlisted(self, listed: set[str]) -> list[str]:
        """Return the sound files, in the directories looked at so far, that are not among `listed`."""
        names = (posixpath.join(head, tail) for head, files in self._listed.items() for tail in files)
        return sorted(name for name in names if name not in listed and _is_sound(name))

    def _list(self, directory: Path) -> dict[str, bool]:
        """Map each file's name to whether it truly lies below the root."""
        try:
            with os.scandir(directory) as entries:
                inside = self._is_inside(directory)
                return {
                    entry.name: inside and (not entry.is_symlink() or self._is_inside(Path(entry.path)))
                    for entry in entries
                    if entry.is_file()
                }
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._real_root)


def find_files(
    fnames: Sequence[str], where: Callable[[int], str], sound: Path, findings: Findings
) -> list[Path]:
    """Return the path of each fname below the folder `sound`; what is wrong goes into `findings`.

    Problems: an empty fname, one listed twice, a missing file, a path that leaves the folder. Warning:
    sound files that are not listed. `where` names a row by file and line.
    """
    folder = SoundFolder(sound)
    first: dict[str, int] = {}
    twice, missing, outside = [], [], []
    inner_names = [posixpath.normpath(fname) if fname else "" for fname in fnames]
    for row, inner in enumerate(inner_names):
        if inner and first.setdefault(inner, row) != row:
            twice.append(row)
        held = folder.holds(inner)
        if held is None:
            outside.append(row)
        elif not held:
            missing.append(row)

    def say_twice(row: int) -> str:
        earlier = where(first[inner_names[row]]).rpartition("line ")[2]
        return (
            f"{where(row)}: {fnames[row]!r} is listed already in line {earlier}; remove one of the two lines"
        )

    def say_outside(row: int) -> str:
        return f"{where(row)}: {fnames[row]!r} leads out of {sound}; name a file inside that folder"

    def say_missing(row: int) -> str:
        if not fnames[row]:
            return f"{where(row)}: the fname field is empty; name the sound file, or remove the line"
        return f"{where(row)}: no file {fnames[row]!r} in {sound}; add the file, or remove the line"

    findings.problems += limited(twice, say_twice, "files listed twice")
    findings.problems += limited(outside, say_outside, f"paths that lead out of {sound}")
    findings.problems += limited(missing, say_missing, f"files missing in {sound}")
    spare = folder.unlisted(set(inner_names))
    if spare:
        count = "1 sound file is" if len(spare) == 1 else f"{len(spare)} sound files are"
        findings.warnings.append(f"{sound}: {count} in no table and left out: {quoted(spare)}")
    return [sound / inner for inner in inner_names]


def _is_sound(name: str) -> bool:
    tail = posixpath.basename(name)
    return not tail.startswith(".") and posixpath.splitext(tail)[1].lower() in SOUND_SUFFIXES
