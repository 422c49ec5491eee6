"""Decisions about labels: a label list that is written anew after each one, and a journal of who decided when and why.

The journal, JSON lines beside the list, is only ever appended to, and the list follows from it. A kill at any moment
leaves both whole: at most the list lacks the last decision, which the next start adds.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

from tagging.data.label_lists import REMOVE, read_label_list
from tagging.errors import UserError, room_in

KEEP, RELABEL, TRUST, SKIP, UNDO, CONFLICT = "keep", "relabel", "trust", "skip", "undo", "conflict"
KINDS = (KEEP, RELABEL, REMOVE, TRUST, SKIP, UNDO, CONFLICT)
UNDECIDED = (SKIP, CONFLICT)
BY_HAND = "by hand"  # who decided what stands in the list and not in the journal
Check = Callable[[Mapping[str, str], Path], None]  # UserError where the entries of a list do not fit the data set


@dataclass(frozen=True)
class Decision:
    """A line of the journal: what a person decided about a clip.

    `labels`: the new ones of a clip that is relabelled, the own ones of one that is trusted, joined by commas. `when`
    is a time in UTC; with `who` and `clip` it names the line, and `undoes` has that of the decision that is undone.
    """

    who: str
    when: str
    clip: str
    decision: str
    labels: str = ""
    reason: str = ""
    score: float | None = None
    run: str = ""
    undoes: str = ""

    @property
    def entry(self) -> str | None:
        """What the label list says of the clip; None where it does not name it."""
        if self.decision == REMOVE:
            return REMOVE
        return self.labels if self.decision in (RELABEL, TRUST) else None

    @property
    def outcome(self) -> str | None:
        """What was decided, in words; None where it is left open."""
        if self.decision in UNDECIDED:
            return None
        return f"{self.decision} {self.labels}".strip() if self.decision == RELABEL else self.decision

    def as_line(self) -> str:
        """Return the line of the journal, without fields that are not given."""
        given = {name: value for name, value in asdict(self).items() if value not in ("", None)}
        return json.dumps(given, ensure_ascii=False) + "\n"


def now() -> str:
    """Return the time in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def standing(lines: Sequence[Decision]) -> dict[str, list[Decision]]:
    """Return the decisions about each clip, the last first in force, without those that were undone."""
    stacks: dict[str, list[Decision]] = {}
    for line in lines:
        stack = stacks.setdefault(line.clip, [])
        if line.decision != UNDO:
            stack.append(line)
            continue
        for place, one in enumerate(stack):
            if (one.who, one.when) == (line.who, line.undoes):
                del stack[place]
                break
    return {clip: stack for clip, stack in stacks.items() if stack}


def entries(lines: Sequence[Decision]) -> dict[str, str]:
    """Return the label list that follows from a journal, sorted by clip."""
    found = {clip: stack[-1].entry for clip, stack in standing(lines).items()}
    return {clip: entry for clip, entry in sorted(found.items()) if entry is not None}


def journal_of(path: Path) -> Path:
    """Return the journal of a label list, `corrections.journal.jsonl` beside `corrections.json`."""
    return path.with_name(f"{path.stem}.journal.jsonl")


def read_journal(path: Path) -> list[Decision]:
    """Read a journal; a line that a kill broke off at its end is left out.

    Raises UserError, with the line, where it is not readable or no decision.
    """
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        texts = whole.decode("utf-8").split("\n") if whole else []
    except UnicodeDecodeError:
        raise UserError(f"{path}: the journal is not UTF-8 text") from None
    return [_decision(f"{path}, line {number}", text) for number, text in enumerate(texts, 1)]


def _decision(where: str, text: str) -> Decision:
    form = 'a line is a JSON object with at least "who", "when", "clip" and "decision"'
    try:
        found = json.loads(text)
    except ValueError:
        raise UserError(f"{where}: not readable as JSON; {form}") from None
    known = {each.name for each in fields(Decision)}
    texts = known - {"score"}
    if (
        not isinstance(found, dict)
        or not {"who", "when", "clip", "decision"} <= found.keys() <= known
        or not all(isinstance(found[name], str) for name in texts & found.keys())
        or not isinstance(found.get("score", 0.0), int | float)
    ):
        raise UserError(f"{where}: {form}; the others are {', '.join(sorted(known))}")
    if found["decision"] not in KINDS:
        raise UserError(f"{where}: {found['decision']!r} is none of {', '.join(KINDS)}")
    return Decision(**found)


@dataclass
class Decisions:
    """A label list at `path` that one process reviews, with the `lines` of its journal; made by `reviewing`."""

    path: Path
    who: str
    check: Check
    lines: list[Decision] = field(default_factory=list)
    _journal: int = -1  # its file descriptor

    def __post_init__(self) -> None:
        self.in_force = {clip: stack[-1] for clip, stack in standing(self.lines).items()}

    def add(self, decision: Decision) -> None:
        """Take a decision: into the journal, then into the list.

        Raises DiskFull or OSError where it cannot be written; it is then not taken.
        """
        self._append([decision])

    def last(self) -> Decision | None:
        """Return the newest decision of `who` that was not undone."""
        own = [one for stack in standing(self.lines).values() for one in stack if one.who == self.who]
        return max(own, key=lambda one: one.when, default=None)

    def undo(self, decision: Decision) -> None:
        """Undo a decision of `who`: what was in force before it is so again."""
        self.add(Decision(self.who, now(), decision.clip, UNDO, undoes=decision.when))

    def merge(self, path: Path) -> list[str]:
        """Take over the journal of another person's label list; return its conflicts with ours, a line each.

        What both decided otherwise is open again until one of them decides. Whoever has seen all that the other
        decided about a clip is right. Raises UserError where the journal is missing or does not fit the data set.
        """
        if not journal_of(path).is_file():
            raise UserError(f"{path}: there is no journal {journal_of(path).name} beside it, which tells who decided")
        theirs = read_journal(journal_of(path))
        ours = set(self.lines)
        new = [line for line in theirs if line not in ours]
        own, other = standing(self.lines), standing(theirs)
        conflicts, marks = [], []
        for clip in dict.fromkeys(line.clip for line in new):
            mine, their = own.get(clip), other.get(clip)
            seen = all(line in set(theirs) for line in self.lines if line.clip == clip)
            if seen or not mine or not their or mine[-1].outcome == their[-1].outcome:
                continue
            both = [f"{one.who} says {one.outcome or 'nothing yet'}" for one in (mine[-1], their[-1])]
            conflicts.append(f"{clip}: {'; '.join(both)}")
            marks.append(Decision(self.who, now(), clip, CONFLICT, reason="; ".join(both)))
        self.check(entries([*self.lines, *new, *marks]), path)
        self._append([*new, *marks])
        return conflicts

    def _append(self, new: Sequence[Decision]) -> None:
        size = os.fstat(self._journal).st_size
        try:
            with room_in(self.path.parent):
                _write_all(self._journal, "".join(line.as_line() for line in new).encode())
        except BaseException:
            os.ftruncate(self._journal, size)
            raise
        self.lines += new
        self.__post_init__()
        self.write()

    def write(self) -> None:
        """Write the list as a whole, or not at all."""
        text = json.dumps(entries(self.lines), indent=1, ensure_ascii=False) + "\n"
        draft = self.path.with_name(f".{self.path.name}.draft")
        with room_in(self.path.parent), draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


@contextmanager
def reviewing(path: Path, who: str, check: Check, chosen: str = RELABEL) -> Iterator[Decisions]:
    """Open a label list to be reviewed, a new one or one to go on with.

    What stands in the list and does not follow from the journal was written by hand: the journal takes it over, labels
    as the decision `chosen`. Raises UserError where list or journal are not readable, do not fit the data set, or are
    open in another process.
    """
    if not path.parent.is_dir():
        raise UserError(f"{path.parent}: there is no such folder; make it, or name another file")
    listed = read_label_list(path) if path.exists() else {}
    check(listed, path)
    journal = journal_of(path)
    descriptor = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{path}: another process reviews it; end that one, or name another file") from None
        lines = read_journal(journal)
        os.ftruncate(descriptor, journal.read_bytes().rfind(b"\n") + 1)  # what a kill broke off
        one = Decisions(path, who, check, lines, descriptor)
        check(entries(lines), journal)
        if by_hand := _by_hand(listed, lines, chosen):
            one._append(by_hand)
        elif entries(lines) != listed:
            one.write()
        yield one
    finally:
        if not os.fstat(descriptor).st_size:
            with suppress(OSError):
                journal.unlink()  # nobody decided anything
        os.close(descriptor)


def _by_hand(listed: Mapping[str, str], lines: Sequence[Decision], chosen: str) -> list[Decision]:
    """Return decisions that make the journal say what the list says; none where a kill left the list behind it."""
    for end in range(len(lines), -1, -1):
        if entries(lines[:end]) == listed:
            return []
    said = entries(lines)
    changed = [clip for clip in sorted(listed.keys() | said.keys()) if listed.get(clip) != said.get(clip)]
    kinds = {None: SKIP, REMOVE: REMOVE}
    return [
        Decision(
            BY_HAND,
            now(),
            clip,
            kinds.get(entry := listed.get(clip), chosen),
            labels=entry if entry not in (None, REMOVE) else "",
            reason="written into the list" if entry else "taken out of the list",
        )
        for clip in changed
    ]
