"""Write the submission of a finished run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tagging.commands.finished import class_columns, finished_folds, open_run, open_store
from tagging.errors import UserError
from tagging.inference.blend import geometric_mean
from tagging.progress import say, warn
from tagging.tracking.launch import link_launch
from tagging.tracking.store import Run, Store


def submit(run_text: str, out: Path) -> pd.DataFrame:
    """Blend the test probabilities of a run's folds and write them to `out` and into the run.

    An empty `run_text` means the newest candidate with test predictions. Rows and columns stand in the
    order of sample_submission.csv; folds are blended by the geometric mean. Raises UserError where the
    run has no test predictions.
    """
    store, run = open_run(run_text) if run_text else _newest()
    tables = [
        store.read_table(run.id, f"predictions/test/fold_{fold}.parquet")
        for fold in finished_folds(store, run)
        if store.has_file(run.id, f"predictions/test/fold_{fold}.parquet")
    ]
    if not tables:
        raise UserError(
            f"run {run.name} ({run.id}) has no test predictions: {run.dataset} has no test clips; "
            f"`python -m tagging predict --run {run.name} FOLDER` tags a folder"
        )
    classes = class_columns(tables[0])
    blend = geometric_mean([table[classes].to_numpy() for table in tables])
    submission = pd.DataFrame(blend, columns=classes)
    submission.insert(0, "fname", tables[0]["fname"])
    text = submission.to_csv(index=False, float_format="%.8g")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    store.log_text(run.id, text, "submission.csv")
    _warn_of_missing(store, run)
    say(f"wrote {out}: {len(submission)} clips by {len(tables)} folds of run {run.name} ({run.id})")
    return submission


def _warn_of_missing(store: Store, run: Run) -> None:
    """Name the test clips that --skip-unreadable left out: the submission has no row for them."""
    if store.has_file(run.id, "data/warnings.txt"):
        for line in store.read_text(run.id, "data/warnings.txt").splitlines():
            if line.startswith("left out: ") and "/test/" in line:
                warn(f"no row in the submission for a clip that was {line}")


def _newest() -> tuple[Store, Run]:
    store, launch = open_store()
    for run in store.search({"candidate": "yes"}):
        if store.list_files(run.id, "predictions/test"):
            if launch:
                link_launch(store, launch, run)
            return store, run
    raise UserError("no finished run has test predictions; train an experiment on data with a test half")
