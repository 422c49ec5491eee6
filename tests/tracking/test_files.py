from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tagging.tracking.store import Run, Store, StoreError


@pytest.fixture
def run(store: Store) -> Run:
    return store.start("my sound", "experiment", "a", {}, {})


def test_files_and_folders_go_in_and_are_listed(store: Store, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "best"
    (folder / "inner").mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    (folder / "inner" / "x.bin").write_bytes(b"\0\1")
    assert store.list_files(run.id) == []
    store.log_folder(run.id, folder, "checkpoints/best")
    store.log_file(run.id, folder / "state.json")
    assert store.list_files(run.id) == [
        "checkpoints/best/inner/x.bin",
        "checkpoints/best/state.json",
        "state.json",
    ]
    assert store.list_files(run.id, "checkpoints") == [
        "checkpoints/best/inner/x.bin",
        "checkpoints/best/state.json",
    ]
    assert store.has_file(run.id, "checkpoints/best")
    assert store.has_file(run.id, "checkpoints/best/state.json")
    assert not store.has_file(run.id, "checkpoints/last/state.json")
    assert not store.has_file(run.id, "state.jso")


def test_a_table_comes_back_as_it_went_in(store: Store, run: Run) -> None:
    table = pd.DataFrame({"fname": ["a.wav", "ü.wav"], "fold": [0, 1], "Bark (dog)": np.float32([0.1, 1e-7])})
    store.log_table(run.id, table, "predictions/test/fold_0.parquet")
    pd.testing.assert_frame_equal(store.read_table(run.id, "predictions/test/fold_0.parquet"), table)


def test_a_table_that_people_look_at_has_a_form_that_the_ui_shows(store: Store, run: Run) -> None:
    table = pd.DataFrame({"label": ["Bark, dog", "Ü"], "clips": [3, 0], "lwlrap": [2 / 3, np.nan]})
    store.log_shown_table(run.id, table, "tables/per_class.parquet")
    assert store.list_files(run.id) == ["tables/per_class.csv", "tables/per_class.parquet"]
    assert store.read_text(run.id, "tables/per_class.csv") == 'label,clips,lwlrap\n"Bark, dog",3,0.666667\nÜ,0,\n'
    pd.testing.assert_frame_equal(store.read_table(run.id, "tables/per_class.parquet"), table)


def test_text_json_and_pictures_go_in(store: Store, run: Run) -> None:
    store.log_text(run.id, "kind: ä\n", "config.yaml")
    store.log_json(run.id, {"a": [1, "ü"]}, "inner/a.json")
    store.log_figure(run.id, Figure(), "figures/curves.png")
    assert store.read_text(run.id, "config.yaml") == "kind: ä\n"
    assert json.loads(store.read_text(run.id, "inner/a.json")) == {"a": [1, "ü"]}
    assert store.fetch(run.id, "figures/curves.png").read_bytes().startswith(b"\x89PNG")


def test_local_files_are_read_in_place_and_are_never_stale(store: Store, run: Run, project: Path) -> None:
    store.log_text(run.id, "old", "a.txt")
    assert store.fetch(run.id, "a.txt") == project / "mlruns" / "my_sound" / run.id / "artifacts" / "a.txt"
    store.log_text(run.id, "new", "a.txt")
    assert store.read_text(run.id, "a.txt") == "new"


def test_a_file_that_is_not_there_is_named(store: Store, run: Run) -> None:
    with pytest.raises(StoreError) as error:
        store.read_table(run.id, "predictions/oof.parquet")
    assert error.value.problems == (
        f"a ({run.id[:8]}): predictions/oof.parquet is not there; bring it back from a copy, or train the run again",
    )


def test_where_a_runs_files_lie_is_asked_once(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    get_run = store._client.get_run

    def counted(run_id: str) -> object:
        asked.append(run_id)
        return get_run(run_id)

    monkeypatch.setattr(store._client, "get_run", counted)
    for number in range(3):
        store.log_text(run.id, "text", f"{number}.txt")
        assert store.read_text(run.id, f"{number}.txt") == "text"
    other = store.start("my sound", "experiment", "b", {}, {})
    store.log_text(other.id, "text", "a.txt")
    assert asked == [run.id, other.id]
