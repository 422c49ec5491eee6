"""RUN on a command line: from what the user typed to the run that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tagging.errors import UserError
from tagging.tracking.place import without_password
from tagging.tracking.run import NAME, Run, clause

if TYPE_CHECKING:
    from tagging.tracking.finder import Finder

WITH_PREDICTIONS = ("experiment", "trial", "ensemble", "stacker")
FULL_ID = re.compile(r"[0-9a-f]{32}")
PREFIX = re.compile(r"[0-9a-f]{4,31}")  # four, as in git: a shorter one is unique by chance only


def resolve(store: Finder, text: str) -> Run:
    """Return the run that a user means by an id, the beginning of one, or a name.

    A name means the newest finished run of a kind that holds predictions, and comes before the
    beginning of an id that reads the same. Raises UserError if there is no such run or several.
    """
    if FULL_ID.fullmatch(text):
        return store.get(text)
    named = [run for run in store.search({NAME: text}) if run.kind in WITH_PREDICTIONS]
    if finished := [run for run in named if run.status == "FINISHED"]:
        return finished[0]
    begun = store.find([clause("attributes.run_id", f"{text}%", "LIKE")]) if PREFIX.fullmatch(text) else []
    if len(begun) == 1:
        return begun[0]
    if begun:
        problem = f"{text}: {len(begun)} runs have an id that begins so; give more of it:"
        raise UserError(problem, *_table(begun))
    if named:
        problem = f"{text}: no run of this name is finished; to take one as it is, give its id:"
        raise UserError(problem, *_table(named))
    raise _unknown(store, text)


def _unknown(store: Finder, text: str) -> UserError:
    finished = store.find(["attributes.status = 'FINISHED'"])
    names = {run.name for run in finished if run.kind in WITH_PREDICTIONS}
    near = get_close_matches(text, sorted(names), n=3, cutoff=0.5)
    return UserError(
        f"{text}: no such run in {without_password(store.uri)}; give a run id, four or more of its first "
        "characters, or the name of a finished experiment, trial, ensemble or stacker",
        *([f"nearest names: {', '.join(near)}"] if near else []),
        "`python -m tagging show runs` lists what there is",
    )


def _table(runs: Iterable[Run]) -> list[str]:
    return [f"  {run.id}  {run.kind or '-'} {run.name} ({run.dataset}, {run.status})" for run in runs]
