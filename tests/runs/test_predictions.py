"""Out-of-fold tables of several runs: all that is wrong with them is named at once."""

from __future__ import annotations

import pytest

from tagging.errors import UserError
from tagging.runs.predictions import read_out_of_fold
from tagging.tracking.store import Run
from tests.blends import start
from tests.trainings import Inside, the_run

OOF = "predictions/oof.parquet"


def lacks(run: Run) -> str:
    return f"{run.title}: {OOF} is not there; `python -m tagging predict --run {run.id[:8]}` computes it again"


def test_runs_that_lack_their_table_and_runs_of_other_clips_are_named_at_once(inside: Inside) -> None:
    store, tiny = inside.store, the_run(inside.store)
    first, other, last = (start(store, "experiment", name, tiny) for name in ("first", "other", "last"))
    for run in (first, last):
        store.drop_folder(run.id, "predictions")
    store.log_table(other.id, store.read_table(tiny.id, OOF)[1:], OOF)
    with pytest.raises(UserError) as caught:
        read_out_of_fold(store, [first, tiny, other, last])
    assert caught.value.problems == (
        lacks(first),
        f"other ({other.id[:8]}): {OOF} has other clips or folds than tiny ({tiny.id[:8]}), "
        "though its tags say the same",
        lacks(last),
    )
