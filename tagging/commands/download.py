"""Fetch the public FSDKaggle2019 and lay it out for training."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tagging import project
from tagging.data.download import RECORD, download_fsdkaggle2019, space_needed
from tagging.data.layouts import read_dataset
from tagging.progress import Bar, say

MEGA = 1_000_000  # bytes


def download(folder: Path | None, dry_run: bool, api: str) -> None:
    """Download into `folder` (by default data/fsdkaggle2019 of the project), or only list what there is to fetch.

    `api` is the address of the record's JSON, "" that of Zenodo. The same command goes on where it was broken
    off. Raises UserError where the record, the network or the disk fails it.
    """
    folder = folder or project.root() / "data" / "fsdkaggle2019"
    api = api or RECORD
    say(f"asking {api}")
    with _Bars() as bars:
        files = download_fsdkaggle2019(folder, api, dry_run, progress=bars.reach)
    if dry_run:
        for file in files:
            say(f"{file.size / MEGA:10.1f} MB  {file.name}")
        say(f"{sum(file.size for file in files) / MEGA:10.1f} MB  in {len(files)} files")
        say(f"{space_needed(files) / MEGA:10.1f} MB  of space needed with what is in them, an estimate")
        say(f"to be put into {folder}")
        return
    data = read_dataset(folder)
    say(f"{folder}: {len(data.curated)} curated, {len(data.noisy)} noisy, {len(data.test)} test clips")


class _Bars(ExitStack):
    """One progress bar after another: each new label ends the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._bars: dict[str, Bar] = {}  # the one there is, by its label

    def reach(self, label: str, done: int, total: int) -> None:
        """Move the bar of `label` to `done` of `total` bytes."""
        if label not in self._bars:
            self.close()
            short = label.replace("FSDKaggle2019.", "")  # so that it fits 80 columns
            self._bars = {label: self.enter_context(Bar(short, "megabyte", total // MEGA))}
        self._bars[label].reach(done // MEGA, total // MEGA)
