"""The report of an ensemble: what it says of its members, and that a browser shows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser
from sklearn.metrics import label_ranking_average_precision_score

from tagging.errors import UserError
from tagging.pages.ensemble import MemberFacts, how_chosen, member_facts, size_rows
from tagging.runs.members import Ensemble, Member, ensemble_of
from tagging.runs.predictions import OutOfFold, read_out_of_fold
from tagging.selection.ensemble_run import SelectionRecord, report_of, write_ensemble
from tagging.tracking.store import Run
from tests.browser import open_page
from tests.selection.test_ensemble_run import write
from tests.trainings import Inside, the_run

CLASSES = ("Bark", "Meow", "Silence")


def run(name: str, **params: str) -> Run:
    return Run(name.ljust(32, "0"), name, "FINISHED", "1", "demo", {"kind": "experiment"}, params, {}, 0, None)


def of_members(probabilities: Sequence[np.ndarray], weights: Sequence[float]) -> tuple[Ensemble, OutOfFold]:
    """Return an arithmetic blend of members on clips that are Bark and Meow by turns."""
    members = [Member(run(f"member_{place}", seed=str(place)), weight) for place, weight in enumerate(weights)]
    count = len(probabilities[0])
    truth = np.zeros((count, len(CLASSES)), np.float32)
    truth[np.arange(count), np.arange(count) % 2] = 1
    fnames = tuple(f"{index}.wav" for index in range(count))
    stacked = np.stack(probabilities).astype(np.float32)
    return Ensemble("arithmetic", tuple(members)), OutOfFold(CLASSES, fnames, np.arange(count) % 3, truth, stacked)


def facts(ensemble: Ensemble, oof: OutOfFold) -> list[MemberFacts]:
    return member_facts(ensemble, oof, [each.name for each in ensemble.runs])


def test_what_a_member_adds_is_the_blend_minus_the_blend_without_it() -> None:
    draw = np.random.default_rng(0)
    ensemble, oof = of_members([draw.uniform(size=(30, 3)) for _ in range(3)], [0.5, 0.3, 0.2])
    found = facts(ensemble, oof)

    def scored(weights: Sequence[float]) -> tuple[float, np.ndarray]:
        blend = np.average(oof.probabilities, axis=0, weights=weights)
        by_class = [  # one label a clip, so the score of a class is that of its clips
            label_ranking_average_precision_score(oof.truth[rows], blend[rows])
            for rows in (oof.truth[:, index] == 1 for index in range(2))
        ]
        return label_ranking_average_precision_score(oof.truth, blend), np.array(by_class)

    whole, whole_by_class = scored([0.5, 0.3, 0.2])
    rest, rest_by_class = scored([0.5, 0, 0.2])
    part = found[1].part
    assert part is not None
    assert part.adds == pytest.approx(whole - rest, abs=1e-6)
    assert part.low < part.adds < part.high
    assert part.by_class[:2] == pytest.approx(whole_by_class - rest_by_class, abs=1e-6)
    assert np.isnan(part.by_class[2])  # no clip carries it
    named = dict(zip(CLASSES, part.by_class.tolist(), strict=True))
    assert {name for name, _ in [*part.helps, *part.costs]} == {"Bark", "Meow"}
    assert all(gain == named[name] > 0 for name, gain in part.helps)
    assert all(gain == named[name] < 0 for name, gain in part.costs)
    assert [each.differs for each in found] == ["seed=0", "seed=1", "seed=2"]


def test_a_member_that_agrees_with_the_others_adds_nothing_for_sure() -> None:
    draw = np.random.default_rng(0)
    same = draw.uniform(size=(30, 3))
    first, second = facts(*of_members([same, same], [0.5, 0.5]))
    assert first.part is not None
    assert (first.part.adds, first.part.low, first.part.high, first.part.helps, first.part.costs) == (0, 0, 0, [], [])
    assert second.cv_lwlrap == first.cv_lwlrap


def test_the_only_member_has_no_part() -> None:
    (only,) = facts(*of_members([np.random.default_rng(0).uniform(size=(6, 3))], [1]))
    assert (only.weight, only.part) == (1, None)


def test_how_members_came_together_is_said_in_words() -> None:
    chosen = {"select.candidates": "4", "select.by": "nested", "select.search": "enumerate", "select.subsets": "26"}
    assert how_chosen(chosen) == "Chosen among 4 candidates by the nested estimate (--search enumerate, of 26 subsets)."
    chosen |= {"select.by": "cv", "select.search": "greedy", "select.subsets": "0"}
    assert how_chosen(chosen) == "Chosen among 4 candidates by the CV (--search greedy)."
    assert how_chosen({"ensemble.recipe": "x"}) == (
        "By the recipe x: no member was picked for its score on these clips."
    )
    assert how_chosen({}) == ""


def test_sizes_are_read_from_the_table_of_blends() -> None:
    rows = [{"way": way, "cv_lwlrap": 0.5} for way in ("geometric, size 10", "geometric, weights", "geometric, size 2")]
    assert size_rows(rows) == [
        {"way": "geometric, size 2", "cv_lwlrap": 0.5, "method": "geometric", "size": 2},
        {"way": "geometric, size 10", "cv_lwlrap": 0.5, "method": "geometric", "size": 10},
    ]


@pytest.fixture(scope="module")
def chosen(pool: Inside) -> Run:
    """Return an ensemble with the tables that a choice leaves, whose name is a script."""
    runs = [the_run(pool.store, name) for name in ("tiny", "plain", "lean")]
    scores = [each.metrics["cv_lwlrap"] for each in runs]
    numbers = {"cv_lwlrap": 0.5, "nested_lwlrap": 0.4, "low": 0.3, "high": 0.6}
    sizes = [f"{method}, size {size}" for method in ("geometric", "arithmetic") for size in (2, 3)]
    candidates = {
        "name": [each.name for each in runs],
        "run": [each.id for each in runs],
        "seed_lwlrap_std": [0.0123, None, None],
        "weight": [1 / 3] * 3,
        "cv_lwlrap": scores,
        "chosen": [0.9, 0.5, 0.6],
    }
    record = SelectionRecord(
        how="by hand.",
        tables={
            "blends": pd.DataFrame([{"way": way, "members": "tiny, plain", **numbers} for way in sizes]),
            "candidates": pd.DataFrame(candidates),
        },
    )
    ensemble = ensemble_of("geometric", runs, [1, 1, 1])
    oof = read_out_of_fold(pool.store, ensemble.runs)
    run = write_ensemble(pool.store, "<script>document.title = 'run'</script>", ensemble, oof, record)
    pool.store.log_text(run.id, report_of(pool.store, run, clips=1), "report.html")  # its members allow no clips
    return run


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_a_browser_shows_the_report_of_a_choice(
    pool: Inside, chosen: Run, browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    path = tmp_path / "report.html"
    path.write_text(pool.store.read_text(chosen.id, "report.html"), "utf-8")
    with open_page(browser, path.as_uri(), width, dark=dark) as opened:
        opened.page.wait_for_selector("html[data-drawn=yes]", state="attached")
        assert (opened.errors, opened.elsewhere) == ([], [])
        assert opened.page.title() == "<script>document.title = 'run'</script>: report"
        assert opened.page.evaluate("document.documentElement.scrollWidth") == width
        drawn = opened.page.eval_on_selector_all(".chart", "all => all.filter(one => one.querySelector('svg')).length")
        assert drawn == opened.page.locator(".chart").count() == 9
        rows = opened.page.locator("#members ~ .scroll").first.locator("tr")
        assert rows.count() == 3 + 1
        assert "0.0123" in rows.filter(has_text="tiny").inner_text()
        opened.page.evaluate("document.querySelector('audio').play()")
        opened.page.wait_for_function("document.querySelector('audio').currentTime > 0")


def test_a_report_made_again_from_the_store_is_the_same(pool: Inside, chosen: Run) -> None:
    assert report_of(pool.store, chosen, clips=1) == pool.store.read_text(chosen.id, "report.html")


def test_without_its_data_set_a_report_has_no_sound_and_says_so(
    pool: Inside, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = write(pool, ["tiny", "lean"], [1, 1])
    capsys.readouterr()
    html = report_of(pool.store, run, data=tmp_path / "nowhere", clips=2)
    assert capsys.readouterr().err == (
        f"warning: the report has no sound: {tmp_path}/nowhere: there is no such folder; give the folder that holds "
        "the tables and the sound; "
        f"`python -m tagging report {run.id[:8]} --data FOLDER` makes it again\n"
    )
    assert "<audio" not in html
    assert html.count("The sound file is not there, or cannot be read.") == 6


def test_a_member_that_says_that_no_clip_leaves_its_folder_keeps_them_there(pool: Inside) -> None:
    run = write(pool, ["plain", "lean"], [1, 1])
    members = [the_run(pool.store, name) for name in ("plain", "lean")]
    texts = {member.id: pool.store.read_text(member.id, "config.yaml") for member in members}
    for member, heard in zip(members, (False, True), strict=True):
        text = texts[member.id].replace("report:\n  clips: 0\n", "report:\n  clips: 1\n")
        pool.store.log_text(member.id, text, "config.yaml")
        assert ("<audio" in report_of(pool.store, run)) is heard
    for run_id, text in texts.items():
        pool.store.log_text(run_id, text, "config.yaml")


def test_a_deleted_member_is_named(pool: Inside) -> None:
    run = write(pool, ["tiny", "plain"], [1, 1])
    plain = the_run(pool.store, "plain")
    pool.store.connection.client.delete_run(plain.id)
    with pytest.raises(UserError) as error:
        report_of(pool.store, run)
    pool.store.connection.client.restore_run(plain.id)
    assert error.value.problems == (
        f"blend ({run.id[:8]}) needs its member plain: run {plain.id} is deleted; "
        f"bring it back with `mlflow runs restore --run-id {plain.id}`",
        "without its members an ensemble predicts nothing new; `select` makes another one",
    )
