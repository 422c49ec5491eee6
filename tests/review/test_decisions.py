"""Decisions about labels: the list, the journal, kills, hand edits, undoing, and what two people decided."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tagging.data.label_lists import REMOVE, read_label_list
from tagging.errors import UserError
from tagging.review.decisions import (
    BY_HAND,
    CONFLICT,
    KEEP,
    RELABEL,
    SKIP,
    TRUST,
    Decision,
    entries,
    journal_of,
    now,
    read_journal,
    reviewing,
)

ROOT = Path(__file__).parents[2]


def fits(_: Mapping[str, str], __: Path) -> None:
    """Any list fits."""


def by(who: str, clip: str, decision: str, labels: str = "") -> Decision:
    return Decision(who, now(), clip, decision, labels)


def decided(path: Path, who: str, *decisions: tuple[str, str, str]) -> None:
    with reviewing(path, who, fits) as one:
        for clip, decision, labels in decisions:
            one.add(by(who, clip, decision, labels))


def test_each_decision_is_in_the_list_and_in_the_journal_at_once(tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    with reviewing(path, "ann", fits) as one:
        assert not path.exists()
        one.add(by("ann", "b.wav", RELABEL, "Bark,Run"))
        assert path.read_text("utf-8") == '{\n "b.wav": "Bark,Run"\n}\n'
        one.add(Decision("ann", "2026-01-01T00:00:00", "a.wav", REMOVE, reason="wrong label: …", score=0.5, run="r"))
        one.add(by("ann", "c.wav", KEEP))
        assert read_label_list(path) == {"a.wav": "remove", "b.wav": "Bark,Run"}
        assert list(read_label_list(path)) == ["a.wav", "b.wav"]
    assert json.loads(journal_of(path).read_text("utf-8").splitlines()[1]) == {
        "who": "ann",
        "when": "2026-01-01T00:00:00",
        "clip": "a.wav",
        "decision": "remove",
        "reason": "wrong label: …",
        "score": 0.5,
        "run": "r",
    }
    with reviewing(path, "ben", fits) as again:
        assert {clip: decision.decision for clip, decision in again.in_force.items()} == {
            "a.wav": REMOVE,
            "b.wav": RELABEL,
            "c.wav": KEEP,
        }


def test_nothing_is_left_where_nobody_decided_anything(tmp_path: Path) -> None:
    with reviewing(tmp_path / "corrections.json", "ann", fits):
        pass
    assert list(tmp_path.iterdir()) == []


def test_undo_brings_back_what_was_in_force_before(tmp_path: Path) -> None:
    with reviewing(tmp_path / "c.json", "ann", fits) as one:
        one.add(by("ben", "a.wav", RELABEL, "Run"))
        one.add(by("ann", "b.wav", REMOVE))
        one.add(by("ann", "a.wav", REMOVE))
        for left in ({"a.wav": "Run", "b.wav": "remove"}, {"a.wav": "Run"}):
            last = one.last()
            assert last is not None
            one.undo(last)
            assert read_label_list(one.path) == left
        assert one.last() is None  # the other decision is ben's
    assert entries(read_journal(journal_of(tmp_path / "c.json"))) == {"a.wav": "Run"}


def test_a_list_without_a_journal_is_gone_on_with_and_a_changed_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"a.wav": "Bark", "b.wav": "remove"}')
    decided(path, "ann", ("c.wav", REMOVE, ""))
    assert read_label_list(path) == {"a.wav": "Bark", "b.wav": "remove", "c.wav": "remove"}
    path.write_text('{"a.wav": "Run", "c.wav": "remove"}')
    with reviewing(path, "ann", fits) as one:
        assert one.in_force["a.wav"].outcome == "relabel Run"
        assert (one.in_force["b.wav"].who, one.in_force["b.wav"].decision) == (BY_HAND, SKIP)
        assert one.in_force["c.wav"].who == "ann"
    assert read_label_list(path) == {"a.wav": "Run", "c.wav": "remove"}


def test_trusted_clips_of_a_selection_that_is_gone_on_with_stay_trusted(tmp_path: Path) -> None:
    path = tmp_path / "noisy_selection.json"
    path.write_text('{"a.wav": "Bark", "b.wav": "remove"}')
    with reviewing(path, "ann", fits, TRUST) as one:
        assert [one.in_force[clip].decision for clip in ("a.wav", "b.wav")] == [TRUST, REMOVE]


WRITER = """\
import sys
from pathlib import Path
from tagging.review.decisions import REMOVE, Decision, now, reviewing
with reviewing(Path(sys.argv[1]), "ann", lambda *_: None) as one:
    number = len(one.in_force)
    while True:
        one.add(Decision("ann", now(), f"{number:06d}.wav", REMOVE))
        print(number, flush=True)
        number += 1
"""


def test_killed_at_any_moment_it_loses_no_decision_that_was_taken(tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    taken = -1
    for step in (1, 3, 7, 12, 2):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(step):
            taken = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        taken = max([taken, *(int(line) for line in process.stdout.read().split())])
        process.wait()
        listed = read_label_list(path)  # whole, whenever the kill came
        assert set(listed.values()) == {"remove"}
        with reviewing(path, "ann", fits) as one:
            known = sorted(one.in_force)
            assert known == [f"{number:06d}.wav" for number in range(len(known))]
            assert taken + 1 <= len(known) <= taken + 2  # the last may be written and not told
            assert read_label_list(path) == dict.fromkeys(known, "remove")


def test_a_line_that_a_kill_broke_off_is_cut_off_and_a_list_behind_its_journal_catches_up(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    decided(path, "ann", ("a.wav", REMOVE, ""), ("b.wav", RELABEL, "Bark"))
    path.write_text('{"a.wav": "remove"}')
    with journal_of(path).open("a") as file:
        file.write('{"who": "ann", "when": "2026')
    with reviewing(path, "ann", fits) as one:
        assert read_label_list(path) == {"a.wav": "remove", "b.wav": "Bark"}
        one.add(by("ann", "c.wav", REMOVE))
    assert [line.clip for line in read_journal(journal_of(path))] == ["a.wav", "b.wav", "c.wav"]


def test_two_people_are_merged_and_what_they_decided_otherwise_is_open_again_with_both_names(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    decided(ours, "ann", ("a.wav", REMOVE, ""), ("b.wav", KEEP, ""), ("c.wav", RELABEL, "Bark"), ("s.wav", SKIP, ""))
    decided(theirs, "ben", ("a.wav", REMOVE, ""), ("b.wav", RELABEL, "Run"), ("d.wav", REMOVE, ""))
    with reviewing(ours, "ann", fits) as one:
        assert one.merge(theirs) == ["b.wav: ann says keep; ben says relabel Run"]
        assert read_label_list(ours) == {"a.wav": "remove", "c.wav": "Bark", "d.wav": "remove"}
        assert (one.in_force["b.wav"].decision, one.in_force["b.wav"].reason) == (
            CONFLICT,
            "ann says keep; ben says relabel Run",
        )
        one.add(by("ann", "b.wav", RELABEL, "Run"))
        assert one.merge(theirs) == []  # nothing new
        assert one.in_force["b.wav"].outcome == "relabel Run"
    with reviewing(theirs, "ben", fits) as other:
        assert other.merge(ours) == []  # ann has seen all that ben decided
        assert read_label_list(theirs) == read_label_list(ours)


def test_a_merge_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    decided(theirs, "ben", ("a.wav", REMOVE, ""))

    def refuse(listed: Mapping[str, str], origin: Path) -> None:
        if "a.wav" in listed:
            raise UserError(f"{origin}: entry 'a.wav' is not in train.csv")

    with reviewing(ours, "ann", refuse) as one:
        with pytest.raises(UserError) as raised:
            one.merge(theirs)
        assert str(raised.value) == f"{theirs}: entry 'a.wav' is not in train.csv"
        with pytest.raises(UserError) as raised:
            one.merge(tmp_path / "nobody.json")
        place = tmp_path / "nobody.json"
        assert str(raised.value) == (
            f"{place}: there is no journal nobody.journal.jsonl beside it, which tells who decided"
        )
    assert not ours.exists()


def test_a_list_is_reviewed_by_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    with reviewing(path, "ann", fits), pytest.raises(UserError) as raised, reviewing(path, "ben", fits):
        pass
    assert str(raised.value) == f"{path}: another process reviews it; end that one, or name another file"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("no", 'not readable as JSON; a line is a JSON object with at least "who", "when", "clip" and "decision"'),
        (
            '{"who": "ann"}',
            'a line is a JSON object with at least "who", "when", "clip" and "decision"; the others are '
            "clip, decision, labels, reason, run, score, undoes, when, who",
        ),
        (
            '{"who": "ann", "when": "", "clip": "a", "decision": "drop"}',
            "'drop' is none of keep, relabel, remove, trust, skip, undo, conflict",
        ),
    ],
)
def test_a_line_that_is_no_decision_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "c.json"
    journal_of(path).write_text(f"{line}\n")
    with pytest.raises(UserError) as raised, reviewing(path, "ann", fits):
        pass
    assert str(raised.value) == f"{journal_of(path)}, line 1: {problem}"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised, reviewing(tmp_path / "no" / "c.json", "ann", fits):
        pass
    assert str(raised.value) == f"{tmp_path / 'no'}: there is no such folder; make it, or name another file"
