"""Predict with a finished run: its own clips again, or new sound.

Imports torch once the run is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tagging.contract import LEFT_OUT, Kind
from tagging.data.findings import limited
from tagging.data.listing import sound_at
from tagging.errors import PartlyDone, UserError
from tagging.jobs import again
from tagging.progress import say, warn
from tagging.report.wording import count
from tagging.runs.finished import open_run, warn_of_untrained
from tagging.runs.members import read_ensemble
from tagging.runs.predictions import read_out_of_fold


def predict_again(run_text: str, overrides: Sequence[str] = (), data: Path | None = None) -> dict[str, float]:
    """Make out-of-fold and test probabilities and metrics of a finished run anew, from its checkpoints or members.

    Prints each metric as stored and as it came out now, and logs what came out. Raises UserError where
    the run lacks folds or the data is not the run's.
    """
    store, run = open_run(run_text)
    if run.kind == Kind.ENSEMBLE:
        if overrides or data:
            raise UserError(f"{run.name} is blended again from its members' files; leave out --set and --data")
        from tagging.selection.ensemble_run import log_predictions, result_of

        ensemble = read_ensemble(store, run)
        oof = read_out_of_fold(store, ensemble.runs)
        metrics = log_predictions(store, run, ensemble, result_of(ensemble, oof))
        store.log_metrics(run.id, metrics)
    else:
        metrics = again.predict_again(store, run, overrides, data)
    for name, value in metrics.items():
        stored = f"{run.metrics[name]:.6f}" if name in run.metrics else "none"
        say(f"{name:<20} stored {stored:<10} again {value:.6f}")
    return metrics


def tag_folder(
    run_text: str,
    folder: Path,
    out: Path | None,
    top: int,
    overrides: Sequence[str] = (),
    files: Sequence[Path] | None = None,
) -> pd.DataFrame:
    """Tag the sound in a folder, or one file, as `predicting.tagger.tag_files` does; return its table.

    Prints the `top` likeliest classes of each clip; `out` is a CSV file to write all to, `files` what `sound_at` found.
    Raises UserError if there is no sound, PartlyDone at the end if some of it could not be read and is left out.
    """
    store, run = open_run(run_text)
    warn_of_untrained(store, run)
    files = files or sound_at(folder, warn)
    from tagging.predicting.tagger import likeliest, tag_files, write_tags

    table, problems = tag_files(store, run, folder, files, overrides)
    try:
        if out is not None:
            write_tags(table, out)
    finally:  # the screen has the tags even where the file cannot be written
        for line in likeliest(table, top):
            say(line)
    if out is not None:
        say(f"wrote {out}: {count(len(table), 'clip')}, {len(table.columns) - 1} classes")
    if problems:
        for problem in limited(problems, str, "files"):
            warn(f"{LEFT_OUT}{problem}")
        raise PartlyDone(f"{len(table)} of {count(len(files), 'file')} tagged; the others are named above")
    return table
