"""Make the report of a run again, or one page that compares several runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tagging.config import AnyRecipe
from tagging.contract import WITH_PREDICTIONS, File, Kind
from tagging.data.dataset import Dataset
from tagging.errors import UserError, room_in
from tagging.jobs.inputs import read_labelled
from tagging.pages.compare import compare_page
from tagging.pages.reports import reports, sounds_of
from tagging.progress import say, warn
from tagging.runs.finished import open_store
from tagging.runs.predictions import read_out_of_fold
from tagging.runs.stored import stored_recipe
from tagging.selection.ensemble_run import report_of
from tagging.tracking.ownership import link_launch
from tagging.tracking.store import Run, Store


def report(run_text: str, out: Path | None, data: Path | None, clips: int | None) -> None:
    """Make the report of a run, and of the folds of a trained one, and write it into the store or into a folder.

    `out`: the folder; None: `report.html` among the run's files. `data`: the folder of the data set, where it moved.
    `clips`: cards in each list; None: as the run's config says. Raises UserError where the run's files are damaged.
    """
    store = open_store()
    run = store.resolve(run_text, (*WITH_PREDICTIONS, Kind.FOLD, Kind.SWEEP))
    link_launch(store, run)
    if run.kind == Kind.SWEEP:
        raise UserError(f"{run.title} is a sweep; `python -m tune report {run.id[:8]}` makes its report")
    for made, html in _reports(store, run, data, clips):
        if out is None:
            store.log_text(made.id, html, File.REPORT)
            say(f"{made.title}: {File.REPORT} is among its files")
        else:
            path = out / f"{made.id[:8]}.html"
            with room_in(out):
                out.mkdir(parents=True, exist_ok=True)
                path.write_text(html, "utf-8")
            say(f"{made.title}: wrote {path}")
    if out is None:
        say(store.where_to_look(run))


def compare(run_texts: Sequence[str], out: Path) -> None:
    """Write one page that compares two runs or more on the same clips; UserError where they have others."""
    store = open_store()
    runs = list({run.id: run for run in (store.resolve(text) for text in run_texts)}.values())
    if len(runs) < 2:
        raise UserError("give two runs or more; `show runs` lists them")
    html = compare_page(runs, read_out_of_fold(store, runs))
    with room_in(out):
        out.write_text(html, "utf-8")
    say(f"wrote {out}")


def _reports(store: Store, run: Run, data: Path | None, clips: int | None) -> Iterator[tuple[Run, str]]:
    if run.kind == Kind.ENSEMBLE:
        yield run, report_of(store, run, data, clips)
        return
    if run.kind == Kind.FOLD and run.parent_id:
        wanted, run = run.id, store.get(run.parent_id)
    else:
        wanted = ""
    recipe = stored_recipe(store, run, data=data)
    dataset = _dataset(recipe)
    cards = recipe.report.clips if clips is None else clips
    for made, html in reports(store, run, dataset, sounds_of(dataset), cards):
        if wanted in ("", made.id):
            yield made, html


def _dataset(recipe: AnyRecipe) -> Dataset | None:
    """Read the data set that a run was trained on; None, with a warning, where it is not there any more."""
    try:
        return read_labelled(recipe).dataset
    except UserError as error:
        warn(f"the report has no sound: {error}; --data FOLDER says where the data set is now")
        return None
