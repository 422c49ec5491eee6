"""Write the lab journal of the store."""

from __future__ import annotations

from pathlib import Path

from tagging.errors import room_in
from tagging.pages.journal import journal_pages
from tagging.progress import say
from tagging.runs.finished import open_store
from tagging.tracking.ownership import close_abandoned

SUFFIXES = (".md", ".html")


def journal(out: Path) -> None:
    """Write the journal in Markdown and in HTML: `out`, with or without one of these endings, .md and .html.

    Raises UserError where the store or the disk does not take part.
    """
    store = open_store()
    close_abandoned(store)
    stem = out.with_suffix("") if out.suffix in SUFFIXES else out
    for suffix, text in zip(SUFFIXES, journal_pages(store), strict=True):
        path = stem.with_name(f"{stem.name}{suffix}")
        with room_in(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        say(f"wrote {path}")
