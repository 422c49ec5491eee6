from __future__ import annotations

from pathlib import Path

import pytest

from tagging.data.tables import read_table
from tagging.errors import UserError
from tests.data.build import write_text


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        read_table(path, ("fname", "labels"))
    return caught.value.problems


def test_lines_are_those_an_editor_shows(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.csv", "fname,labels,note", 'a,X,"two', 'lines"', "", "b,Y,")
    table = read_table(path, ("fname", "labels"))
    assert table.columns["note"] == ("two\nlines", "")
    assert (table.where(0), table.where(1)) == (f"{path}, line 2", f"{path}, line 5")


def test_text_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("fname,labels\na.wav,Möwe\n".encode("latin-1"))
    assert problems_of(path) == (f"{path}, line 2: the table is not UTF-8 text; save it as CSV in UTF-8",)
    path.write_bytes("fname,labels\n".encode("utf-16-le"))
    assert problems_of(path) == (f"{path}, line 1: a zero byte is no text; save the table as CSV in UTF-8",)


def test_an_unpaired_quotation_mark_names_where_its_record_starts(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.csv", "fname,labels", "a,X", 'b,"Y', "c,Z")
    assert problems_of(path) == (
        f"{path}, line 3: not readable as CSV (unexpected end of data); look for an unpaired quotation mark",
    )


def test_missing_columns_and_columns_named_twice(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.csv", "fname,label,fold,fold")
    assert problems_of(path) == (
        f"{path}, line 1: no column 'labels'; the header is 'fname,label,fold,fold'; did you mean 'label'?",
        f"{path}, line 1: columns named twice: 'fold'; each needs a name of its own",
    )


def test_semicolons_are_recognised(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.csv", "fname;labels", "a;X")
    assert problems_of(path) == (f"{path}, line 1: columns must be separated by commas; the header is 'fname;labels'",)


def test_rows_of_another_length(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.csv", "fname,labels", "a,Bark,Run", "b")
    assert problems_of(path) == (
        f"{path}, line 2: 3 fields where the header names 2; "
        'put several labels in quotation marks: clip.wav,"Bark,Run"',
        f"{path}, line 3: 1 fields where the header names 2; fill in the missing ones",
    )


def test_control_characters_in_names_stop_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    said = "holds a control character, such as a new line; take it out"
    path.write_text('fname,labels,note\na.wav,"Dog\nbark",x\n\x1b[31mb.wav,Dog,"two\nlines"\nc.wav,a\tb,y\n')
    assert problems_of(path) == (
        f"{path}, line 2: 'Dog\\nbark' {said}",
        f"{path}, line 4: '\\x1b[31mb.wav' {said}",
        f"{path}, line 6: 'a\\tb' {said}",
    )
    path.write_text('fname,labels,"no\x07te"\na.wav,Dog,x\n')
    assert problems_of(path) == (f"{path}, line 1: 'no\\x07te' {said}",)
