"""The Optuna study of a sweep: a SQLite file, made anew from the store whenever the sweep is begun or gone on with.

So there are not two memories that could differ, and Optuna's own tools can read the sweep: in the work folder while it
runs, in the sweep's run afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.storages import RDBStorage

FILE = "study.db"
MAXIMIZE, MINIMIZE = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
OBJECTIVES = {"lwlrap": MAXIMIZE, "parameters": MINIMIZE, "seconds": MINIMIZE}
PATIENCE_S = 60  # that a reader may hold the file for


def new_study(objectives: Sequence[str], folder: Path | None = None, name: str | None = None) -> optuna.Study:
    """Return an empty study of some objectives, the first of which counts most; in `folder`/study.db, or in memory.

    A file that is there already is replaced.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study
    directions = [OBJECTIVES[objective] for objective in objectives]
    if folder is None:
        return optuna.create_study(directions=directions)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{FILE}*"):  # its journal with it
        left.unlink()
    storage = RDBStorage(f"sqlite:///{folder / FILE}", engine_kwargs={"connect_args": {"timeout": PATIENCE_S}})
    return optuna.create_study(storage=storage, study_name=name, directions=directions)
