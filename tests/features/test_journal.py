from tagging.features import journal
from tagging.features.journal import ClipRecord

RECORDS = [
    ClipRecord(32, -100.0, "ab", notes=("resampled from 8000 Hz",)),
    ClipRecord(0, 0.0, "cd", error="ends too early"),
    ClipRecord(5, -63.4375, "ef"),
]


def test_records_come_back(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal.append(path, RECORDS[:2])
    journal.append(path, RECORDS[2:])
    assert journal.read(path) == RECORDS


def test_no_file_is_no_records(tmp_path):
    assert journal.read(tmp_path / "journal.jsonl") == []


def test_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal.append(path, RECORDS)
    whole = path.read_bytes()
    for torn in (1, 2, 10):
        path.write_bytes(whole[:-torn])
        assert journal.read(path) == RECORDS[:2]


def test_rewrite_replaces_what_was_there(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal.append(path, RECORDS)
    journal.rewrite(path, RECORDS[:1])
    assert journal.read(path) == RECORDS[:1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.jsonl"]
