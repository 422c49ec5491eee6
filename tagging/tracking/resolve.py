"""RUN on a command line: from what the user typed to the run that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tagging.contract import WITH_PREDICTIONS, Tag
from tagging.errors import UserError
from tagging.tracking.run import Run, clause

if TYPE_CHECKING:
    from tagging.tracking.finder import Finder

FULL_ID = re.compile(r"[0-9a-f]{32}")
PREFIX = re.compile(r"[0-9a-f]{4,31}")  # four, as in git: a shorter one is unique by chance only


def resolve(store: Finder, text: str, kinds: Sequence[str] = WITH_PREDICTIONS, unfinished: bool = False) -> Run:
    """Return the run that a user means by an id, the beginning of one, or a name.

    A name means the newest run of one of the kinds that is finished, or `unfinished` too, and comes before the
    beginning of an id that reads the same; an id may be any run's. Raises UserError if there is no such run or several.
    """
    if FULL_ID.fullmatch(text):
        return store.get(text)
    named = [run for run in store.search({Tag.NAME: text}) if run.kind in kinds]
    if usable := [run for run in named if unfinished or run.status == "FINISHED"]:
        return usable[0]
    begun = store.find([clause("attributes.run_id", f"{text}%", "LIKE")]) if PREFIX.fullmatch(text) else []
    if len(begun) == 1:
        return begun[0]
    if begun:
        problem = f"{text}: {len(begun)} runs have an id that begins so; give more of it:"
        raise UserError(problem, *_table(begun))
    if named:
        problem = f"{text}: no run of this name is finished; to take one as it is, give its id:"
        raise UserError(problem, *_table(named))
    raise _unknown(store, text, kinds, unfinished)


def _unknown(store: Finder, text: str, kinds: Sequence[str], unfinished: bool) -> UserError:
    found = store.find([] if unfinished else ["attributes.status = 'FINISHED'"])
    names = {run.name for run in found if run.kind in kinds}
    wanted = " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
    near = get_close_matches(text, sorted(names), n=3, cutoff=0.6)
    return UserError(
        f"{text}: no such run in {store.uri}; give a run id, four or more of its first "
        f"characters, or the name of a {'' if unfinished else 'finished '}{wanted}",
        *([f"nearest names: {', '.join(near)}"] if near else []),
        "`python -m tagging show runs` lists what there is",
    )


def _table(runs: Iterable[Run]) -> list[str]:
    return [f"  {run.id}  {run.kind or '-'} {run.name} ({run.dataset}, {run.status})" for run in runs]
