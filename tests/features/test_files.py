from tagging.features.files import ClipRecord, append_records, read_records, rewrite_records

RECORDS = [
    ClipRecord(32, -100.0, "ab", notes=("resampled from 8000 Hz",)),
    ClipRecord(0, 0.0, "cd", error="ends too early"),
    ClipRecord(5, -63.4375, "ef"),
]


def test_records_come_back(tmp_path):
    path = tmp_path / "journal.jsonl"
    append_records(path, RECORDS[:2])
    append_records(path, RECORDS[2:])
    assert read_records(path) == RECORDS


def test_no_file_is_no_records(tmp_path):
    assert read_records(tmp_path / "journal.jsonl") == []


def test_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "journal.jsonl"
    append_records(path, RECORDS)
    whole = path.read_bytes()
    for torn in (1, 2, 10):
        path.write_bytes(whole[:-torn])
        assert read_records(path) == RECORDS[:2]


def test_rewrite_replaces_what_was_there(tmp_path):
    path = tmp_path / "journal.jsonl"
    append_records(path, RECORDS)
    rewrite_records(path, RECORDS[:1])
    assert read_records(path) == RECORDS[:1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.jsonl"]
