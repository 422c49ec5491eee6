"""CSV tables, read so that every message can name the line an editor shows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.data.findings import did_you_mean, limited, quoted
from tagging.errors import UserError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # a terminal obeys them, a table of text breaks at them


@dataclass(frozen=True)
class Table:
    """A CSV table of text: its columns by name, and the line that each row starts on (header = 1)."""

    path: Path
    columns: dict[str, tuple[str, ...]]
    lines: tuple[int, ...]

    def where(self, row: int) -> str:
        """Name a row by file and line, for a message."""
        return f"{self.path}, line {self.lines[row]}"


def read_table(path: Path, required: Sequence[str]) -> Table:
    """Read a UTF-8 CSV table with a header; fields are stripped of outer blanks, blank lines skipped.

    Raises UserError for a file that is no such table, for a `required` column that is missing, for a
    column named twice and for rows with more or fewer fields than the header.
    """
    records = _records(path, _text(path))
    if not records:
        raise UserError(f"{path}: the table is empty; its first line must name the columns {','.join(required)}")
    header = records[0][1]
    _check_header(path, header, required)
    rows = records[1:]
    ragged = [(line, fields) for line, fields in rows if len(fields) != len(header)]
    if ragged:
        lines = limited(ragged, lambda row: _ragged(path, header, *row), f"such lines in {path.name}")
        raise UserError(*lines)
    _check_signs(path, header, rows, required)
    texts = list(zip(*(fields for _, fields in rows), strict=True)) if rows else [()] * len(header)
    columns = {name: tuple(column) for name, column in zip(header, texts, strict=True) if name}
    return Table(path, columns, tuple(line for line, _ in rows))


def write_table(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV table in UTF-8; the first of its rows is the header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def listed_twice(table: Table, advice: str) -> list[str]:
    """Return a problem for each row whose fname an earlier row has; `advice` says what to do."""
    fnames = table.columns["fname"]
    first: dict[str, int] = {}
    twice = [row for row, fname in enumerate(fnames) if first.setdefault(fname, row) != row]

    def problem(row: int) -> str:
        earlier = table.lines[first[fnames[row]]]
        return f"{table.where(row)}: {fnames[row]!r} is listed already in line {earlier}; {advice}"

    return limited(twice, problem, f"clips listed twice in {table.path.name}")


def _check_signs(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]], required: Sequence[str]
) -> None:
    """Stop at a control character in what is printed and written later: the header and the required columns."""
    named = [(1, header), *((line, [fields[header.index(name)] for name in required]) for line, fields in rows)]
    found = [
        (line, text) for line, texts in named for text in texts if not text.isprintable() and _CONTROL.search(text)
    ]

    def say(place: tuple[int, str]) -> str:
        line, text = place
        return f"{path}, line {line}: {text!r} holds a control character, such as a new line; take it out"

    if found:
        raise UserError(*limited(found, say, f"such fields in {path.name}"))


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")  # Excel puts a byte order mark before UTF-8
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: the table is not UTF-8 text; save it as CSV in UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"{path}, line {line}: a zero byte is no text; save the table as CSV in UTF-8")
    return text


def _records(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return (line that the record starts on, its fields) of every record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records = []
    start = 1
    try:
        for fields in reader:
            if fields:
                records.append((start, [field.strip() for field in fields]))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, line {start}: not readable as CSV ({error}); look for an unpaired quotation mark"
        ) from None
    return records


def _check_header(path: Path, header: Sequence[str], required: Sequence[str]) -> None:
    if len(header) == 1 and required[0] not in header and any(mark in header[0] for mark in ";\t|"):
        raise UserError(f"{path}, line 1: columns must be separated by commas; the header is {header[0]!r}")
    missing = [name for name in required if name not in header]
    problems = [
        f"{path}, line 1: no column {name!r}; the header is {','.join(header)!r}{did_you_mean(name, header)}"
        for name in missing
    ]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        problems.append(f"{path}, line 1: columns named twice: {quoted(twice)}; each needs a name of its own")
    if problems:
        raise UserError(*problems)


def _ragged(path: Path, header: Sequence[str], line: int, fields: Sequence[str]) -> str:
    text = f"{path}, line {line}: {len(fields)} fields where the header names {len(header)}"
    if len(fields) > len(header):
        return f'{text}; put several labels in quotation marks: clip.wav,"Bark,Run"'
    return f"{text}; fill in the missing ones"
