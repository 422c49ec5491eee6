"""What a run was made with: commit, what differs from it, machine, libraries."""

from __future__ import annotations

from tagging import project
from tagging.contract import File
from tagging.tracking.environment import environment, git_commit, git_diff
from tagging.tracking.store import Run, Store


def code_tags() -> dict[str, str]:
    """Return the tags that say which commit is checked out, and whether the code differs from it."""
    return {"git.commit": git_commit(project.root()), "git.dirty": "yes" if git_diff(project.root()) else "no"}


def log_made_with(store: Store, run: Run) -> None:
    """Log the machine and the libraries, and what the code differs by where it does."""
    store.log_json(run.id, environment(), File.ENVIRONMENT)
    if diff := git_diff(project.root()):
        store.log_text(run.id, diff, File.DIFF)
