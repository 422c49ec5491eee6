"""The folder that a kernel is written to: what may stand there, and how the new one takes its place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagging.data.findings import quoted
from tagging.errors import UserError, room_in
from tagging.kernel.source import is_one_file
from tagging.progress import warn

FILE = "kernel.py"


def check_folder(out: Path) -> None:
    """Stop where a folder holds anything but a kernel, which what is packed there replaces as a whole."""
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UserError(f"{there}: is a file; name a folder with --out")
    if Path.cwd().is_relative_to(out.resolve()):
        raise UserError(
            f"{out}: this is the current folder, and packing replaces it as a whole; change to another folder, or name "
            "one with --out"
        )
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if names and not is_one_file(out / FILE):
        raise UserError(f"{out}: holds something other than a kernel; name another folder with --out")
    if beside := [name for name in names if name not in (FILE, "weights")]:
        raise UserError(
            f"{out}: beside a kernel it holds {quoted(beside)}, which would be deleted; move that away, or name "
            "another folder with --out"
        )


@contextmanager
def in_place(out: Path) -> Iterator[Path]:
    """Give a folder to write to, beside `out`, that takes its place once it is whole.

    What was there is deleted when the new one stands, not before. Raises UserError where that cannot be done.
    """
    place = out.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as beside, room_in(out):
            draft, older = Path(beside) / "kernel", Path(f"{beside}-older")
            draft.mkdir()
            yield draft
            _replace(place, draft, older)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    if older.exists():
        warn(f"{older}: the older kernel, of which not all could be deleted; delete it by hand")


def _replace(place: Path, draft: Path, older: Path) -> None:
    """Rename a folder to a place; what was there goes aside, comes back where that fails, and is deleted at the end."""
    try:
        if place.exists():
            place.rename(older)
        draft.rename(place)
    except BaseException:  # Ctrl-C, too
        if older.exists() and not place.exists():
            older.rename(place)
        raise
    shutil.rmtree(older, ignore_errors=True)
