from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tagging.pages.journal import days_of, journal_pages, plain, typed_paragraphs, verdict
from tagging.runs.result import seed_spread
from tagging.tracking.store import Run, Store
from tests.browser import open_page
from tests.selection.test_ensemble_run import write
from tests.tracking.conftest import project, store
from tests.trainings import Inside, the_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["project", "store"]
DATA = {"data.classes": "a", "data.clips": "b", "data.folds": "c"}
SCRIPT = "<script>document.title = 'gone'</script>"


def add(store: Store, name: str, folds: list[float], seed: int = 0, **tags: str) -> Run:
    """Add a finished experiment with these folds; a tag of an empty text is left out."""
    of_run = {**DATA, "base": "tiny", "differs": "mixer.prob=1", **tags}
    params = {"seed": seed, "name": name, "notes": "To see.", "optimizer.lr": of_run["differs"]}
    run = store.start("demo", "experiment", name, {key: value for key, value in of_run.items() if value}, params)
    for number, score in enumerate(folds):
        child = store.start("demo", "fold", f"{name} fold {number}", {"fold": number}, {}, run)
        store.log_metrics(child.id, {"fold_lwlrap": score})
        store.finish(child.id, "FINISHED")
    mean = sum(folds) / len(folds)
    store.log_metrics(run.id, {"cv_lwlrap": mean, "fold_lwlrap_mean": mean, "fold_lwlrap_std": 0.05})
    store.finish(run.id, "FINISHED")
    return store.get(run.id)


def test_a_verdict_counts_paired_differences_beyond_their_noise() -> None:
    theirs = {"0": 0.5, "1": 0.7, "2": 0.9}
    ahead = verdict({"0": 0.6, "1": 0.81, "2": 0.99}, theirs, "rival", None)
    assert (ahead.word, ahead.bar, ahead.gain) == ("better", "differences on 3 folds", pytest.approx(0.1))
    # by hand: Student's t of 2 degrees 4.302653, standard deviation 0.01, three folds
    assert ahead.noise == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-5)
    assert verdict(theirs, {"0": 0.6, "1": 0.81, "2": 0.99}, "rival", None).word == "worse"
    assert verdict({"0": 0.9, "1": 0.7, "2": 0.8}, theirs, "rival", None).word == "within the noise"
    seeds = verdict({"0": 0.6, "1": 0.81, "2": 0.99}, theirs, "rival", 0.06)
    assert (seeds.word, seeds.noise) == ("within the noise", 0.12)
    assert seeds.bar == "twice the spread over seeds, 0.0600"


def test_the_journal_of_some_runs(store: Store) -> None:
    best = add(store, "best", [0.8, 0.9, 0.7])
    add(store, "worst", [0.6, 0.71, 0.49], differs="optimizer.lr=0.1")
    again = add(store, "best again", [0.79, 0.88, 0.7], seed=1)
    add(store, "lost", [0.9, 0.9, 0.9], **{"data.folds": ""})
    broken = store.start("demo", "experiment", "broken", DATA, {})
    store.set_tags(broken.id, {"error": "no room"})
    store.finish(broken.id, "FAILED")
    sweep = {**DATA, "space": "lr", "space.experiment": "tiny", "mood": "hopeful"}
    search = store.start("demo", "sweep", "search", sweep, {}, description="Try _more_.")
    store.log_metrics(search.id, {"best_lwlrap": 0.75, "trials_finished": 3, "trials_pruned": 1})
    blend = store.start("demo", "ensemble", "blend", {**DATA, "differs": "geometric mean of 2: best, worst"}, {})
    store.log_metrics(blend.id, {"cv_lwlrap": 0.85, "nested_lwlrap": 0.84})
    store._client.create_run(best.experiment_id, run_name="foreign")
    (day,) = days_of(store, store.find(["tags.kind != 'fold'"]))
    assert day.date == time.strftime("%Y-%m-%d")
    by_name = {entry.run.name: entry for entry in day.trained}
    assert list(by_name) == ["broken", "lost", "best again", "worst", "best"]
    spread = seed_spread([best, again])[best.id]
    assert (by_name["best"].seed_std, by_name["worst"].seed_std) == (spread, None)
    words = {name: entry.verdict and (entry.verdict.word, entry.verdict.rival) for name, entry in by_name.items()}
    assert words == {
        "broken": None,
        "lost": None,
        "best again": ("within the noise", "best"),
        "worst": ("worse", "best"),
        "best": ("within the noise", "best again"),
    }
    assert by_name["lost"].problem == "not compared: its tag data.folds is gone; set it again in the UI"
    text, html = journal_pages(store)
    assert "\n- **Worse**: -0.2000 against best; noise ± 0.0248 (differences on 3 folds)\n" in text
    assert "\n- Changed against tiny: optimizer.lr=0.1\n- Why: To see.\n" in text
    assert "\n- Error: no room\n" in text
    assert (
        f"](http://127.0.0.1:5000/{search.link}) on demo, of tiny: RUNNING, 3 finished, 1 pruned, best lwlrap 0.7500"
        in text
    )
    assert "; note: Try \\_more\\_.; tag mood = hopeful\n" in text
    assert "on demo, geometric mean of 2: best, worst: RUNNING, CV lwlrap 0.8500, nested 0.8400\n" in text
    assert "\n## Runs without a kind\n" in text
    assert "\n- foreign (" in text
    assert html.count("<article") == 5


def test_an_empty_store_says_what_to_do(store: Store) -> None:
    text, html = journal_pages(store)
    what = "No experiments yet. {}python -m tagging train smoke{} trains the first; then write the journal again."
    assert text == f"# Lab journal\n\n{what.format('`', '`')}\n\n"
    assert what.format("<code>", "</code>") in html
    assert len(html) < 20_000  # without the charts' script


def test_a_run_alone_or_without_equal_folds_is_not_compared(store: Store) -> None:
    one = add(store, "one", [0.5, 0.6])
    problem = {"one": "the only run on these clips and folds"}
    assert {entry.run.name: entry.problem for entry in days_of(store, [one])[0].trained} == problem
    two = add(store, "two", [0.5])
    problems = {entry.run.name: entry.problem for entry in days_of(store, [one, two])[0].trained}
    assert problems["one"] == "not compared: it and two do not have the same two folds or more"


def test_what_people_typed_is_found_in_a_description(inside: Inside) -> None:
    store, run = inside.store, the_run(inside.store)
    (entry,) = days_of(store, [run])[0].trained
    assert (entry.typed, entry.tags) == ([], {})  # all that is there is this project's own
    note = run.tags["mlflow.note.content"]
    store.set_tags(run.id, {"mlflow.note.content": f"Best so *far*.\n\n{note}\nTry more epochs.", "colour": "red"})
    (entry,) = days_of(store, [store.get(run.id)])[0].trained
    assert (entry.typed, entry.tags) == (["Best so *far*.", "Try more epochs."], {"colour": "red"})


def test_an_ensembles_description_is_not_typed(pool: Inside) -> None:
    assert typed_paragraphs(write(pool, ["tiny", "plain"], [1, 1])) == []


def test_markdown_shows_a_text_as_it_is() -> None:
    assert plain("a_b *c* <i>\n# d [e](f) `g`") == r"a\_b \*c\* \<i\> \# d \[e\]\(f\) \`g\`"


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_the_page_opens_and_what_people_typed_does_nothing(
    store: Store, browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    for seed in (0, 1):
        add(store, SCRIPT, [0.5, 0.6], seed, colour=SCRIPT, differs=SCRIPT, **{"mlflow.note.content": SCRIPT})
    path = tmp_path / "journal.html"
    path.write_text(journal_pages(store)[1], encoding="utf-8")
    with open_page(browser, path.as_uri(), width, dark=dark) as opened:
        opened.page.wait_for_selector("svg")
        assert opened.page.title() == "Lab journal"
        assert opened.page.locator("article").first.inner_text().count(SCRIPT) == 5
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert (opened.errors, opened.elsewhere) == ([], [])
