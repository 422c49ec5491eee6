"""Fetch the public FSDKaggle2019 and lay it out for training."""

from __future__ import annotations

from pathlib import Path

from tagging.data.download import RECORD, download_fsdkaggle2019, space_needed
from tagging.data.layouts import read_dataset
from tagging.progress import Bar, say
from tagging.tracking.place import PROJECT


def download(folder: Path | None, dry_run: bool, api: str = RECORD) -> None:
    """Download into `folder` (by default data/fsdkaggle2019 of the project), or only list what there is to fetch.

    The same command goes on where it was broken off. Raises UserError where the record, the network or the
    disk fails it.
    """
    folder = folder or PROJECT / "data" / "fsdkaggle2019"
    with _Bars() as bars:
        files = download_fsdkaggle2019(folder, api, dry_run, progress=bars.reach)
    if dry_run:
        for file in files:
            say(f"{file.size / 1e6:10.1f} MB  {file.name}")
        say(f"{space_needed(files) / 1e9:.1f} GB of space needed in {folder}: archives and, estimated, their content")
        return
    data = read_dataset(folder)
    say(f"{folder}: {len(data.curated)} curated, {len(data.noisy)} noisy, {len(data.test)} test clips")


class _Bars:
    """One progress bar after another: each new label ends the one before."""

    def __init__(self) -> None:
        self._label = ""
        self._bar: Bar | None = None

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.__exit__()

    def reach(self, label: str, done: int, total: int) -> None:
        """Move the bar of `label` to `done` of `total` bytes."""
        if self._bar is None or label != self._label:
            self.__exit__()
            self._label, self._bar = label, Bar(label, "byte", total)
        self._bar.reach(done, total)
