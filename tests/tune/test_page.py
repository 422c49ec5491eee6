"""The report of a sweep: its trials in charts that a browser shows, and made again without Ray."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tagging.tracking.store import Run, Store
from tests.browser import open_page
from tests.tune.test_report import KEPT, SPACE, many
from tune import page
from tune.page import sweep_page
from tune.records import records
from tune.report import summarise_sweep
from tune.schema import Space

RANGES = {
    "optimizer.lr": {"kind": "loguniform", "low": 1e-4, "high": 1e-2},
    "augment.spec_augment.max_masks": {"kind": "int", "low": 1, "high": 8},
    "scheduler": {"kind": "choice", "options": [{"kind": "cosine", "first": 6}, {"kind": "plateau"}]},
}
WIDE = Space.model_validate(
    {"experiment": "base", "trials": 24, "space": RANGES, "objectives": ["lwlrap", "seconds"], "notes": "Why & how."}
)


@pytest.fixture
def best_config(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Have the trials of `many`, which are no runs, the config of base."""
    from tagging.config import load

    monkeypatch.setattr(page, "stored_recipe", lambda *_: load("base", []))
    monkeypatch.setattr(store, "get", lambda _: None)


@pytest.mark.parametrize(("width", "dark"), [(1400, True), (390, False)])
@pytest.mark.usefixtures("best_config")
def test_a_browser_shows_the_report(
    store: Store, sweep: Run, browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    named = replace(sweep, name="<script>document.title = 'run'</script>")
    path = tmp_path / "report.html"
    path.write_text(sweep_page(store, named, many(24), WIDE, KEPT), "utf-8")
    with open_page(browser, path.as_uri(), width, dark=dark) as opened:
        opened.page.wait_for_selector("html[data-drawn=yes]", state="attached")
        assert (opened.errors, opened.elsewhere) == ([], [])
        assert opened.page.title() == "<script>document.title = 'run'</script>: report"
        assert opened.page.evaluate("document.documentElement.scrollWidth") == width
        drawn = opened.page.eval_on_selector_all(".chart", "all => all.filter(one => one.querySelector('svg')).length")
        assert drawn == opened.page.locator(".chart").count() == 3 + 6 + 1
        shown = opened.page.locator("#trials ~ .scroll tr").count()
        assert shown == 24 + 1
        # the line under the pointer stands out
        lines = opened.page.locator("#parallel ~ .chart").first.locator(".mark-line path")
        assert lines.count() == 24
        lines.first.dispatch_event("pointerover")
        opened.page.wait_for_selector("#parallel ~ .chart .mark-line path[stroke-width='4']", state="attached")


@pytest.mark.usefixtures("best_config")
def test_failed_and_pruned_trials_are_told_with_their_errors(store: Store, sweep: Run) -> None:
    trials = [
        replace(trial, error=f"RuntimeError: <b>{trial.number}</b> of 9 MB\nat" if trial.state == "FAILED" else "")
        for trial in many(12)
    ]
    html = sweep_page(store, sweep, trials, WIDE, KEPT)
    assert "<p>Trials 5, 11: <code>RuntimeError: &lt;b&gt;5&lt;/b&gt; of 9 MB</code></p>" in html
    stopped = "The scheduler stopped 2, since others were ahead: trial 2 after 9 epochs, trial 8 after 9 epochs."
    assert f"<p>{stopped}</p>" in html


def test_a_sweep_without_trials_has_a_report(store: Store, sweep: Run) -> None:
    html = sweep_page(store, sweep, [], SPACE, KEPT)
    assert "<p>No trial has finished yet.</p>" in html
    too_few = "Too few to tell: 0 finished trials; two or more with different values and different lwlrap are needed."
    assert too_few in html


def test_a_report_is_made_again_without_ray(
    store: Store, sweep: Run, add_trial: Callable[..., Run], tmp_path: Path
) -> None:
    for number in range(3):
        add_trial(number, {"optimizer.lr": 10.0 ** (number - 4)}, 0.5 + 0.1 * number)
    kept = {"space": SPACE.model_dump(mode="json"), "data": ""}
    store.log_json(sweep.id, kept, "space.json")
    summarise_sweep(store, sweep, records(store, sweep), SPACE, kept)
    code = (
        "import sys; from tune.cli import main\n"
        f"status = main(['report', '{sweep.id[:8]}', '--out', {json.dumps(str(tmp_path / 'out'))}])\n"
        "print(status, [name for name in ('ray', 'torch') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PATH": "", "HOME": str(tmp_path), "MLFLOW_TRACKING_URI": store.uri},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    written = tmp_path / "out" / f"{sweep.id[:8]}.html"
    assert done.stdout.splitlines() == [
        f"lr_mixup ({sweep.id[:8]}): wrote {written}",
        "0 []",
    ]
    assert written.read_text("utf-8") == store.read_text(sweep.id, "report.html")
