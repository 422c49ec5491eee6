"""The reports of a real run, of its folds, and the page that compares runs."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser
from sklearn.calibration import calibration_curve
from sklearn.metrics import label_ranking_average_precision_score

from tagging.commands.report import compare, report
from tagging.contract import File, Metric
from tagging.errors import UserError
from tagging.metrics import lwlrap, lwlrap_per_clip
from tagging.pages.against import against
from tagging.pages.cards import Scored, Sounds, cards
from tagging.pages.experiment import best_cards, reliability_rows, suspect_cards, worst_cards
from tagging.pages.odd import fold_facts
from tagging.pages.reports import best_rival, scored_of
from tagging.tracking.store import Run
from tests.browser import open_page
from tests.trainings import Inside, the_run


def charts_of(html: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each chart of a page by its label."""
    found = re.findall(r'aria-label="([^"]*)"><script type="application/json">(.*?)</script>', html)
    charts = {unescape(label): json.loads(text) for label, text in found}
    return {label: chart["data"]["values"] for label, chart in charts.items() if "data" in chart}


def read(inside: Inside, run: Run) -> str:
    with inside.store.reading(run.id, File.REPORT) as local:
        return local.read_text("utf-8")


def test_a_training_leaves_a_report_of_the_run_and_of_each_fold(pool: Inside) -> None:
    run = the_run(pool.store)
    scored, charts = scored_of(pool.store, run), charts_of(read(pool, run))
    by_class = {row["class"]: row for row in charts["lwlrap of each class with its 95 % interval"]}
    assert set(by_class) == {
        name for name, clips in zip(scored.classes, scored.truth.sum(axis=0), strict=True) if clips
    }
    assert all(row["low"] <= row["lwlrap"] <= row["high"] for row in by_class.values())
    values = [row["lwlrap"] for row in by_class.values()]
    assert values == sorted(values)
    weights = [row["clips"] for row in by_class.values()]
    assert np.average(values, weights=weights) == pytest.approx(run.metrics[Metric.CV_LWLRAP])
    curve = charts["lwlrap of held-out clips over epochs"]
    for fold, child in enumerate(pool.store.children(run.id)):
        assert "/fold" not in child.name
        html = read(pool, child)
        number = int(child.tags["fold"])
        stored = pool.store.curve(child.id, "val_lwlrap")
        assert {row["epoch"]: row["val_lwlrap"] for row in curve if row["fold"] == number} == stored, fold
        assert f"{(scored.folds == number).sum()} held-out clips" in html
        assert f"<b>{child.metrics[Metric.FOLD_LWLRAP]:.4f}</b>lwlrap of this fold" in html


def test_reliability_is_that_of_scikit_learn(pool: Inside) -> None:
    scored = scored_of(pool.store, the_run(pool.store))
    share, probability = calibration_curve(scored.truth.ravel(), scored.probabilities.ravel(), n_bins=10)
    rows = reliability_rows(scored)
    np.testing.assert_allclose([row["share"] for row in rows], share, rtol=1e-6)
    np.testing.assert_allclose([row["probability"] for row in rows], probability, rtol=1e-6)
    assert sum(row["pairs"] for row in rows) == scored.truth.size


def test_the_lists_of_clips_are_in_the_order_of_their_scores(pool: Inside) -> None:
    scored, no_sound = scored_of(pool.store, the_run(pool.store)), Sounds({})
    by_name = dict(zip(scored.fnames, lwlrap_per_clip(scored.truth, scored.probabilities), strict=True))
    worst = [by_name[card.fname] for card in worst_cards(scored, no_sound, 36)]
    assert worst == sorted(by_name.values())
    best = [by_name[card.fname] for card in best_cards(scored, no_sound, 4)]
    assert best == sorted(by_name.values())[:-5:-1]
    quality = [card.note for card in suspect_cards(scored, no_sound, 5)]
    assert quality == sorted(quality)
    (card,) = cards(scored, [3], no_sound)
    assert card.excerpt is None
    assert card.predicted[0] == (scored.classes[scored.probabilities[3].argmax()], scored.probabilities[3].max())
    assert dict(card.given).keys() == {scored.classes[index] for index in np.flatnonzero(scored.truth[3])}


def test_what_is_odd_about_a_fold_is_said_in_words(pool: Inside) -> None:
    truth = np.ones((8, 2), np.float32)
    truth[6:, 0] = 0
    scored = Scored(["a", "b"], list("12345678"), np.arange(8) // 2, truth, truth)
    runs = {fold: the_run(pool.store) for fold in range(4)}
    folds = {
        fold: run.__class__(**{**run.__dict__, "metrics": {Metric.FOLD_LWLRAP: score}})
        for (fold, run), score in zip(runs.items(), (0.8, 0.81, 0.79, 0.5), strict=True)
    }
    epochs = [
        {"fold": fold, "epoch": epoch, "train_loss": 0.1, "val_loss": 0.2 + fold**2 / 1000}
        for fold in folds
        for epoch in range(1, 4 if fold == 3 else 6)
    ]
    facts = fold_facts(folds, epochs, scored)
    assert [fact.odd for fact in facts[:3]] == [[], [], []]
    assert facts[3].odd == [
        "its lwlrap of 0.5000 is far from the 0.8000 of the other folds",
        "held-out loss minus training loss is 0.109, in the other folds 0.102",
        "it trained 3 epochs, the other folds 5",
        "no held-out clip carries a",
    ]


def test_the_best_other_run_is_compared_class_by_class(pool: Inside) -> None:
    run = the_run(pool.store)
    found = best_rival(pool.store, run)
    assert found is not None
    rival, theirs = found
    others = [one for one in pool.store.search({"kind": "experiment"}) if one.id != run.id]
    assert rival.id == max(others, key=lambda one: one.metrics[Metric.CV_LWLRAP]).id
    ours = scored_of(pool.store, run)
    made = against(run, ours, rival, theirs)
    gain = lwlrap(ours.truth, ours.probabilities) - lwlrap(theirs.truth, theirs.probabilities)
    weights = theirs.truth.sum(axis=1)
    score = label_ranking_average_precision_score(theirs.truth, theirs.probabilities, sample_weight=weights)
    assert made.cv_lwlrap == pytest.approx(score, abs=1e-9)
    assert made.noise.startswith(f"the difference is {gain:+.4f}, ")
    assert made.differs
    assert against(run, ours, rival, ours).verdict == "neither clearly better nor worse"
    perfect = Scored(ours.classes, ours.fnames, ours.folds, ours.truth, ours.truth)
    assert against(run, perfect, rival, theirs).verdict == "better"
    assert against(run, theirs, rival, perfect).verdict == "worse"


def test_report_makes_it_again_in_a_folder(pool: Inside, tmp_path: Path, browser: Browser) -> None:
    run = the_run(pool.store)
    report(run.id, tmp_path / "new" / "pages", None, 3)
    child = pool.store.children(run.id)[0]
    report(child.id, tmp_path / "one", None, 0)
    assert [path.name for path in (tmp_path / "one").iterdir()] == [f"{child.id[:8]}.html"]
    assert len(list((tmp_path / "new" / "pages").iterdir())) == 4
    page = tmp_path / "new" / "pages" / f"{run.id[:8]}.html"
    again = charts_of(page.read_text("utf-8"))
    del again["difference of lwlrap of each class to seed_1"]  # there was no other run then
    assert again == charts_of(read(pool, run))
    with open_page(browser, page.as_uri()) as opened:
        opened.page.wait_for_selector("html[data-drawn=yes]")
        assert opened.page.locator("audio").count() == 9  # 3 worst, 3 suspicious, 3 best
        assert (opened.errors, opened.elsewhere) == ([], [])


def test_without_the_data_set_the_report_has_no_sound(
    pool: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = the_run(pool.store)
    report(run.id, tmp_path / "pages", tmp_path / "nowhere", 1)
    assert "the report has no sound: " in capsys.readouterr().err
    html = (tmp_path / "pages" / f"{run.id[:8]}.html").read_text("utf-8")
    assert "<audio" not in html
    assert "The sound file is not there, or cannot be read." in html


def test_compare_puts_runs_side_by_side(pool: Inside, tmp_path: Path, browser: Browser) -> None:
    out = tmp_path / "compare.html"
    runs = sorted(pool.store.search({"kind": "experiment"}), key=lambda run: -run.metrics[Metric.CV_LWLRAP])
    compare([run.name for run in runs[::-1]], out)
    with open_page(browser, out.as_uri(), width=390) as opened:
        opened.page.wait_for_selector("html[data-drawn=yes]")
        rows = opened.page.locator("tr td:nth-child(2)").all_inner_texts()
        assert rows == [f"{run.metrics[Metric.CV_LWLRAP]:.4f}" for run in runs]
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert (opened.errors, opened.elsewhere) == ([], [])
    with pytest.raises(UserError, match=r"^give two runs or more; `show runs` lists them$"):
        compare([runs[0].id, runs[0].id], out)
