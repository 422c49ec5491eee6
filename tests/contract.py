"""Holds a finished run of a store against the tables of tagging/contract.py."""

from __future__ import annotations

from fnmatch import filter as matching
from fnmatch import fnmatchcase

from tagging.contract import FILES, METRICS, TAGS
from tagging.tracking.store import Run, Store


def check_contract(store: Store, run: Run, pictures: bool = True) -> None:
    """Assert that all that a run has is in the contract for its kind, and that it has all that the kind always has.

    Without `pictures`, for tests in which none are drawn.
    """
    for table, names in ((TAGS, run.tags), (METRICS, run.metrics), (FILES, store.list_files(run.id))):
        allowed = [name for always, some, group in table for name in group if run.kind in (*always, *some)]
        always_there = [name for always, _, group in table for name in group if run.kind in always]
        extra = [name for name in names if not any(fnmatchcase(name, pattern) for pattern in allowed)]
        missing = [pattern for pattern in always_there if not matching(list(names), pattern)]
        if not pictures:
            missing = [pattern for pattern in missing if not pattern.startswith("figures/")]
        assert (extra, missing) == ([], []), run.title
