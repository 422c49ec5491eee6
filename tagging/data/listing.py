"""Finds the sound below a folder: one walk and one rule for training data, new sound and kernels.

Hidden names (they begin with a dot, or are macOS' __MACOSX) are left out, links are followed, and warnings name what is
left out. Names in a table are looked up by themselves, so that a table may name a hidden file.
"""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import soundfile

from tagging.data.findings import Findings, limited, quoted
from tagging.errors import UserError

# what libsndfile reads, by suffix; only such files are missed when no table lists them
OTHER_SPELLINGS = {".aif", ".aifc", ".oga", ".opus", ".snd", ".wave"}
SOUND_SUFFIXES = {f".{name.lower()}" for name in soundfile.available_formats()} | OTHER_SPELLINGS
MAC_FOLDER = "__MACOSX"  # what macOS adds to an archive: a small file of the same name for each file
EXAMPLES = 5  # names in a warning of what is all right

Tell = Callable[[str], None]


def sound_at(place: Path, warn: Tell) -> list[Path]:
    """Return the files of sound in a folder, or the one file that is named.

    `warn` is called with a line for each kind of what is left out. Raises UserError where there is no sound, or the
    folder cannot be listed.
    """
    if not place.exists():
        raise UserError(f"{place}: no such file or folder")
    if not place.is_dir():
        return [place]
    folder = SoundFolder(place)
    for line in folder.left_out():
        warn(line)
    if not folder.sound:
        raise UserError(f"{place}: no sound; looked for files ending in {', '.join(sorted(SOUND_SUFFIXES))}")
    return [place / name for name in folder.sound]


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left out where nobody names it."""
    return name.startswith(".") or name == MAC_FOLDER


@dataclass(frozen=True)
class Match:
    """What a name from a table leads to.

    `file` is its name relative to the folder, None where it leads to no file or to several; `near` are then the files
    whose names are close. `inside` is false for a path that leaves the folder.
    """

    file: str | None
    near: Sequence[str] = ()
    inside: bool = True


class SoundFolder:
    """All files below `root`, walked once; names are relative to it, with '/' between folders.

    A link is followed, to a file and to a folder, save to a folder that holds `root` or is walked already.
    Raises UserError where `root` itself cannot be listed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: set[str] = set()
        self.locked: dict[str, str] = {}  # folders that cannot be listed, and why
        self.dead: list[str] = []  # links that lead nowhere, and names of sound that are no files
        self._hidden: list[str] = []
        self._again: list[str] = []  # links to folders that hold the root or are walked already
        self._walk()
        if "" in self.locked:
            raise UserError(f"{root}: the folder cannot be listed ({self.locked['']}); mend its rights")

    @cached_property
    def sound(self) -> list[str]:
        """The files that bear the suffix of a format of sound, in the order of their paths."""
        return sorted(filter(_has_suffix, self.files), key=lambda name: name.split("/"))

    def left_out(self, taken: Collection[str] = ()) -> list[str]:
        """Say what the walk left out, a line a kind; hidden files that are `taken` all the same do not count."""
        kinds = (
            ([name for name in self._hidden if name not in taken], "left out, hidden"),
            (self.dead, "left out, links that lead nowhere or no files"),
            (self._again, "left out, linked and looked at already under another name"),
            ([f"{name} ({why})" for name, why in self.locked.items()], "left out, cannot be listed"),
        )
        return [f"{self.root}: {what}: {quoted(sorted(names))}" for names, what in kinds if names]

    def match(self, fname: str) -> Match:
        """Find the file that a table's `fname` means, spelt as it is or else in the one way that leads to a file.

        Taken are a path from the folder above, an absolute path, a backslash for '/', another case or Unicode form, and
        a missing ending, each where one file alone fits.
        """
        exact = posixpath.normpath(fname)
        if exact in self.files:  # nearly all names
            return Match(exact)
        inner = [name for name in map(self._inside, self._readings(fname)) if name is not None]
        for name in inner:
            if name in self.files or os.path.isfile(self.root / name):  # noqa: PTH113 - false for names that are too long
                return Match(name)
        for table in (self._by_key, self._by_stem):
            near = sorted({file for name in inner for file in table.get(_key(name), ())})
            if near:
                return Match(near[0] if len(near) == 1 else None, near)
        return Match(None, self._by_bare_name.get(_bare(fname), ()), inside=bool(inner))

    def _walk(self) -> None:
        seen = {_identity(folder) for folder in self.root.resolve().parents}
        folders = [""]
        links: list[str] = []
        while folders or links:
            # linked folders last: what lies in the folder itself bears its name there
            head = folders.pop() if folders else links.pop()
            try:
                identity = _identity(self.root / head)
                if identity in seen:
                    self._again.append(head)
                    continue
                seen.add(identity)
                with os.scandir(self.root / head) as entries:
                    for entry in entries:
                        self._note(posixpath.join(head, entry.name), entry, folders, links)
            except OSError as error:
                self.locked[head] = error.strerror or str(error)

    def _note(self, name: str, entry: os.DirEntry[str], folders: list[str], links: list[str]) -> None:
        """Note what bears a name; `folders` and `links` are still to be walked."""
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError:  # a link in a circle, or to where nobody may look
            is_folder = is_file = False
        if is_hidden(entry.name):
            if is_folder or _has_suffix(name):
                self._hidden.append(name)
        elif is_folder:
            (links if entry.is_symlink() else folders).append(name)
        elif is_file:
            self.files.add(name)
        elif entry.is_symlink() or _has_suffix(name):
            self.dead.append(name)

    def _readings(self, fname: str) -> Iterator[str]:
        """Yield the ways to read a name as a path: as it is, from Windows, and each from the folder above."""
        for text in dict.fromkeys((fname, fname.replace("\\", "/"))):
            yield text
            first, _, rest = posixpath.normpath(text).partition("/")
            if rest and _key(first) == _key(self.root.name):
                yield rest

    def _inside(self, path: str) -> str | None:
        """Return a path relative to the folder, None where it leaves it; links above the folder may be named or not."""
        root = os.path.abspath(self.root)  # noqa: PTH100 - follows no link
        place = posixpath.normpath(posixpath.join(root, path))
        if not place.startswith(f"{root}/"):
            root = os.path.realpath(root)
            head, tail = posixpath.split(place)
            place = posixpath.join(os.path.realpath(head), tail)  # the file itself may be a link that leads out
        return place.removeprefix(f"{root}/") if place.startswith(f"{root}/") else None

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        return _grouped(self.files, _key)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped(self.sound, lambda name: posixpath.splitext(_key(name))[0])

    @cached_property
    def _by_bare_name(self) -> dict[str, list[str]]:
        return _grouped(self.sound, _bare)


def find_files(fnames: Sequence[str], where: Callable[[int], str], sound: Path, findings: Findings) -> list[Path]:
    """Return the path of each fname below the folder `sound`; what is wrong goes into `findings`.

    Problems: an empty fname, a file listed twice, a missing file, a path that leaves the folder. Warnings: names that
    are spelt otherwise than their file, sound files that are not listed, and what the walk left out. `where` names a
    row by file and line.
    """
    try:
        folder = SoundFolder(sound)
    except UserError as error:
        findings.problems += error.problems
        return [sound / fname for fname in fnames]
    first: dict[str, int] = {}
    twice, missing, outside = [], [], []
    matches = [folder.match(fname) if fname else Match(None) for fname in fnames]
    inner_names = [match.file or posixpath.normpath(fname) for match, fname in zip(matches, fnames, strict=True)]
    for row, (match, fname) in enumerate(zip(matches, fnames, strict=True)):
        if fname and first.setdefault(inner_names[row], row) != row:
            twice.append(row)
        if not match.inside:
            outside.append(row)
        elif match.file is None:
            missing.append(row)

    def say_twice(row: int) -> str:
        other = first[inner_names[row]]
        earlier = where(other).rpartition("line ")[2]
        what = "is listed already in" if fnames[row] == fnames[other] else f"is the same file as {fnames[other]!r} in"
        return f"{where(row)}: {fnames[row]!r} {what} line {earlier}; remove one of the two lines"

    def say_outside(row: int) -> str:
        near = f"; {_lying(matches[row].near)}" if matches[row].near else ""
        return f"{where(row)}: {fnames[row]!r} leads out of {sound}; name a file inside that folder{near}"

    def say_missing(row: int) -> str:
        if not fnames[row]:
            return f"{where(row)}: the fname field is empty; name the sound file, or remove the line"
        absent = f"{where(row)}: no file {fnames[row]!r} in {sound}"
        if dead := [name for name in folder.dead if f"{inner_names[row]}/".startswith(f"{name}/")]:
            return f"{absent}; {sound / dead[0]} is a link that leads nowhere: mend it, or remove the line"
        if folder.locked:
            return f"{absent}; {sound / next(iter(folder.locked))} cannot be listed: mend its rights"
        if near := matches[row].near:
            return f"{absent}; {_lying(near)}: name the right one, or remove the line"
        return f"{absent}; add the file, or remove the line"

    findings.problems += limited(twice, say_twice, "files listed twice")
    findings.problems += limited(outside, say_outside, f"paths that lead out of {sound}")
    findings.problems += limited(missing, say_missing, f"files missing in {sound}")
    findings.warnings += spelt_otherwise(sound, fnames, matches)
    spare = [name for name in folder.sound if name not in first]
    if spare:
        count = "1 sound file is" if len(spare) == 1 else f"{len(spare)} sound files are"
        findings.warnings.append(f"{sound}: {count} in no table and left out: {quoted(spare)}")
    findings.warnings += folder.left_out(first)
    return [sound / inner for inner in inner_names]


def spelt_otherwise(sound: Path, fnames: Sequence[str], matches: Sequence[Match]) -> list[str]:
    """Return a warning that names the first of the names that lead to a file of another spelling, none without such."""
    others = [
        f"{fname!r} is {match.file!r}"
        for fname, match in zip(fnames, matches, strict=True)
        if match.file is not None and match.file != posixpath.normpath(fname)
    ]
    if not others:
        return []
    more = f" and {len(others) - EXAMPLES} more" if len(others) > EXAMPLES else ""
    return [f"{sound}: files are spelt otherwise than in the table: {', '.join(others[:EXAMPLES])}{more}"]


def _lying(near: Sequence[str]) -> str:
    return f"{quoted(near)} {'lies' if len(near) == 1 else 'lie'} there"


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(key(name), []).append(name)
    return groups


def _key(name: str) -> str:
    """Return a name without what differs between file systems: case, and how Unicode composes an accent."""
    return unicodedata.normalize("NFC", name).casefold()


def _bare(name: str) -> str:
    """Return the key of a name without folders and ending."""
    return _key(posixpath.splitext(posixpath.basename(name.replace("\\", "/")))[0])


def _identity(folder: Path) -> tuple[int, int]:
    state = folder.stat()
    return state.st_dev, state.st_ino


def _has_suffix(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in SOUND_SUFFIXES
