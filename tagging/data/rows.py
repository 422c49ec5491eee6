"""One table's rows to clips: files found, labels encoded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tagging.data.dataset import Clips
from tagging.data.findings import Findings, limited
from tagging.data.labels import encode_labels, say_unknown
from tagging.data.listing import find_files
from tagging.data.tables import Table


def read_clips(table: Table, sound: Path, classes: Sequence[str] | None, allowed: str, findings: Findings) -> Clips:
    """Turn a table with the columns fname and labels into clips whose files lie in `sound`.

    What is wrong goes into `findings`; `allowed` says in its messages where the classes come from. `classes` is None
    where what is wrong with them is among the findings already; the labels are not looked at then.
    """
    fnames, fields = table.columns["fname"], table.columns["labels"]
    if not fnames:
        findings.problems.append(f"{table.path}: the table lists no clip; add a line for each sound file")
    paths = [sound / fname for fname in fnames]
    if sound.is_dir():
        paths = find_files(fnames, table.where, sound, findings)
    else:
        findings.problems.append(f"{sound}: there is no such folder; it holds the clips of {table.path.name}")
    targets, unknown = encode_labels(fields, classes or ())

    def say(found: tuple[int, str]) -> str:
        row, label = found
        return f"{table.where(row)}: {say_unknown(label, fields[row], classes or (), allowed)}"

    if classes is not None:
        findings.problems += limited(unknown, say, f"labels to mend in {table.path.name}")
    columns = {name: texts for name, texts in table.columns.items() if name not in ("fname", "labels")}
    return Clips(fnames, tuple(paths), targets, columns, table.path, table.lines)
