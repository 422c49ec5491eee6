"""A page on which a person listens to suspicious clips and decides about their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.review.clips import read_clips
from tagging.review.decisions import journal_of, read_journal
from tagging.review.workbench import Workbench, opened
from tagging.runs.finished import open_store


def review(
    run_texts: Sequence[str],
    corrections: Path,
    selection: Path,
    who: str,
    merge: Sequence[Path],
    port: int,
    open_browser: bool,
    data: Path | None = None,
) -> None:
    """Show the suspicious clips of finished runs on a page of this machine, until it is ended; say how it went.

    Decisions of `who` go to the label lists `corrections` and `selection`; journals beside the lists `merge` are taken
    over first. `data` is the folder of the data set where it moved. Raises UserError where NiceGUI is not installed,
    the port is taken, runs do not fit each other or the data set, and as `reviewing` and `Decisions.merge` do.
    """
    from tagging.review.page import serve  # before the store is asked: NiceGUI may be missing

    store = open_store()
    clips = read_clips(store, [store.resolve(text) for text in run_texts], data)
    with opened(clips, corrections, selection, who) as bench:
        for path in merge:
            _merge(bench, path)
        say(f"{count(len(bench.suspects), 'suspicious clip')}, {bench.done} decided; {_left(bench)}")
        try:
            serve(bench, port, open_browser)
        finally:
            _tell(bench)


def _merge(bench: Workbench, path: Path) -> None:
    """Take over the journal beside a list of another person, into our list of the same split."""
    lines = read_journal(journal_of(path))
    curated = set(bench.clips.dataset.curated.fnames)
    into = bench.corrections if all(line.clip in curated for line in lines) else bench.selection
    conflicts = into.merge(path)
    say(f"{path}: merged into {into.path}")
    for conflict in conflicts:
        warn(f"both decided, and otherwise, about {conflict}; it is open again")


def _left(bench: Workbench) -> str:
    return f"about {bench.errors_left:.0f} labels are still wrong or missing"


def _tell(bench: Workbench) -> None:
    """Say at the end how far the review has come, and how to train with it."""
    say(f"\n{bench.done} of {count(len(bench.suspects), 'suspicious clip')} decided; {_left(bench)}")
    if command := bench.command():
        say(f"train with it: {command}")
