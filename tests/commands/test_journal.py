"""`journal`, by the command line."""

from __future__ import annotations

from pathlib import Path

from tests.project import Project
from tests.trainings import Trained


def test_it_writes_the_journal_of_a_store(trained: Trained, tmp_path: Path) -> None:
    done = trained.project.run("journal", "--out", f"{tmp_path}/kept/notes.html")
    assert done.stdout == f"wrote {tmp_path}/kept/notes.md\nwrote {tmp_path}/kept/notes.html\n"
    assert done.stderr == f"the journal of {trained.project.uri}\n"
    assert "\n### tiny\n" in (tmp_path / "kept" / "notes.md").read_text("utf-8")
    assert "<h3>tiny</h3>" in (tmp_path / "kept" / "notes.html").read_text("utf-8")


def test_it_writes_beside_the_user_and_works_without_runs(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    assert project.run("journal").stdout == "wrote journal.md\nwrote journal.html\n"
    assert "No experiments yet." in (project.folder / "journal.md").read_text("utf-8")
    assert (project.folder / "journal.html").is_file()
