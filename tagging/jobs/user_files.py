"""A user's own files in an experiment: found, kept with the run, and compared with what a run was trained with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tagging import project
from tagging.config import AnyRecipe, Experiment, Stacker
from tagging.config.sections.fields import UserFile
from tagging.contract import File
from tagging.errors import UserError
from tagging.tracking.store import Run, Store
from tagging.user_code import UserCode, read


def user_codes(recipe: AnyRecipe) -> dict[str, UserCode]:
    """Return the user's classes and functions in an experiment by their sections, as `loss.noisy`; a stacker has none.

    Each has the digest that its section names, else that of its file as it is now.
    """
    if isinstance(recipe, Stacker):
        return {}
    sections: dict[str, Any] = {"model": recipe.model}
    sections |= {f"loss.{source}": getattr(recipe.loss, source) for source in ("curated", "noisy", "trusted")}
    sections |= {f"augment.python.{place}": one for place, one in enumerate(recipe.augment.python)}
    codes = {}
    for where, section in sections.items():
        if isinstance(section, UserFile):
            # a relative path in an experiment's file is meant from the project's root
            path = project.root() / Path(section.file).expanduser()
            kind = "function" if hasattr(section, "function") else "class"
            digest = section.sha256 or hashlib.sha256(read(path, where)).hexdigest()
            codes[where] = UserCode(where, kind, getattr(section, kind), section.arguments, digest, path)
    return codes


def settled(experiment: Experiment) -> Experiment:
    """Return an experiment with the digest of each of the user's files, all of which were run once.

    Raises UserError for a file that cannot be used, and for two of one name, since the run keeps them by their names.
    """
    codes = user_codes(experiment)
    named: dict[str, UserCode] = {}
    for code in codes.values():
        code.load()
        other = named.setdefault(code.path.name, code)
        if other.sha256 != code.sha256:
            raise UserError(f"{code.section}.file: {other.path} and {code.path} have one name; rename one of them")
    for where, code in codes.items():
        experiment = experiment.changed(f"{where}.sha256", code.sha256)
    return experiment


def log_user_files(store: Store, run: Run, experiment: Experiment) -> None:
    """Keep the user's files with a run, in `code/`."""
    for code in user_codes(experiment).values():
        store.log_text(run.id, code.source(), f"{File.CODE}/{code.path.name}")


def check_stored(store: Store, run: Run, experiment: Experiment, whole: bool = False) -> None:
    """Stop where a user's file is not as it was when a run was trained: that of the network, or, if `whole`, any."""
    for where, code in user_codes(experiment).items():
        if whole or where == "model":
            try:
                code.source()
            except UserError as error:
                kept = f"{File.CODE}/{code.path.name}"
                raise UserError(
                    *error.problems,
                    f"{run.title} was trained with the content of sha256 {code.sha256[:12]}…, and keeps it as {kept}: "
                    f"look at it, then copy it to {code.path}",
                ) from None
