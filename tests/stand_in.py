"""Another folder in the place of the project's, for a test that works in its own process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagging import project

CHECKOUT = project.root()


def stand_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Have `folder` be the project until the patch is undone; it gets the checkout's experiments where it has none."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "experiments").exists():
        (folder / "experiments").symlink_to(CHECKOUT / "experiments")
    patch.setattr(project, "root", lambda: folder)
