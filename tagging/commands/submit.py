"""Write the submission of a finished run."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from tagging.contract import LEFT_OUT, Tag, split_folder
from tagging.errors import PartlyDone, UserError
from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.runs.finished import fold_numbers, open_run, open_store, warn_of_untrained
from tagging.runs.predictions import blended_test, has_split
from tagging.runs.stored import left_out
from tagging.tracking.ownership import link_launch
from tagging.tracking.store import Run, Store

# the last folder of this kind in a clip's path names its split
_HALF = re.compile(rf"{LEFT_OUT}.*/(test|train_curated|train_noisy)/")


def submit(run_text: str, out: Path, data: Path | None = None) -> pd.DataFrame:
    """Blend the test probabilities of a run's folds and write them to `out` and into the run.

    An empty `run_text` means the newest candidate with test predictions. Rows and columns stand in the
    order of sample_submission.csv; folds are blended by the geometric mean. What a run, or a member of an ensemble,
    has not predicted is predicted now; `data` is the data set's folder where it moved. Raises UserError where there
    is no test half, PartlyDone at the end where a test clip could not be read and has no row.
    """
    store, run = open_run(run_text) if run_text else _newest()
    return write_submission(store, run, out, data)


def write_submission(store: Store, run: Run, out: Path, data: Path | None = None) -> pd.DataFrame:
    """Write the submission of a run as `submit` does."""
    folds = fold_numbers(store, run)
    warn_of_untrained(store, run)
    if not has_split(store, run, "test", folds):
        from tagging.predicting.missing_split import complete_test  # which needs torch

        complete_test(store, run, data)
    submission = blended_test(store, run)
    text = submission.to_csv(index=False, float_format="%.8g")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    store.log_text(run.id, text, "submission.csv")
    say(f"wrote {out}: {len(submission)} clips by {count(len(folds), 'fold')} of run {run.name} ({run.id})")
    # the submission has no row for the test clips that --skip-unreadable left out
    if missing := [line for line in left_out(store, run) if (half := _HALF.match(line)) and half[1] == "test"]:
        for line in missing:
            warn(line)
        clips = count(len(submission) + len(missing), "test clip")
        raise PartlyDone(f"{len(submission)} of {clips} have a row in the submission; the others are named above")
    return submission


def _newest() -> tuple[Store, Run]:
    store = open_store()
    for run in store.search({Tag.CANDIDATE: "yes"}):
        if store.list_files(run.id, split_folder("test")):
            link_launch(store, run)
            return store, run
    raise UserError("no finished run has test predictions; train an experiment on data with a test half")
