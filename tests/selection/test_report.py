"""What is said of a selection: how far its number can be trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tagging.ensemble.pool import Pool
from tagging.ensemble.subsets import Limits
from tagging.metrics import lwlrap
from tagging.selection.choose import choose
from tagging.selection.report import SelectionReport, _signed, print_report, record_of
from tagging.selection.settings import SelectionSettings
from tagging.tracking.store import Run


def runs(pool: Pool) -> list[Run]:
    return [Run(f"{name}-id", name, "FINISHED", "1", "demo", {}, {}, {}, 0, None) for name in pool.names]


def hair_apart() -> Pool:
    """Return two candidates; the first ranks by differences that are too small for the search, which sees ties."""
    random = np.random.default_rng(0)
    truth = np.eye(4, dtype=int)[random.integers(4, size=24)]
    right = 0.5 + truth * np.where(np.arange(24) < 18, 6e-8, -6e-8)[:, None]
    return Pool(["right", "wrong"], [right, np.roll(right, 1, axis=1)], truth, np.arange(24) % 3)


def test_one_number_is_told_of_a_run_alone_and_nothing_against_itself(capsys: pytest.CaptureFixture[str]) -> None:
    pool, settings = hair_apart(), SelectionSettings(methods=("geometric",), limits=Limits(1, 1, must=(0,)))
    found = SelectionReport(runs(pool), pool, choose(pool, settings), settings)
    print_report(found)
    expected = lwlrap(pool.truth, pool.probabilities[0])
    assert expected == (18 + 6 / 4) / 24
    assert found.choice.chosen.score == found.choice.chosen.nested == found.alone[0] == pytest.approx(expected)
    low, high = found.interval.low, found.interval.high
    out, err = capsys.readouterr()
    assert out.endswith(
        f"\nCV lwlrap 0.8125   nested 0.8125   95 % {low:.4f} to {high:.4f}\n"
        "the CV is that of the only subset, scored on the clips it was chosen on:\n"
        "level with the nested estimate, chosen without the fold it is scored on\n"
    )
    assert low < expected < high
    assert err == ""


def test_the_gain_over_the_best_alone_is_of_the_scores_that_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    pool, settings = hair_apart(), SelectionSettings(methods=("geometric",), limits=Limits(1, 1, must=(1,)))
    found = SelectionReport(runs(pool), pool, choose(pool, settings), settings)
    print_report(found)
    gain = found.choice.chosen.score - lwlrap(pool.truth, pool.probabilities[0])
    assert found.gain.low < gain < found.gain.high < 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"against right alone {gain:.4f} (95 % {found.gain.low:.4f} to {found.gain.high:.4f})"


@pytest.mark.parametrize(
    ("settings", "among"),
    [
        (SelectionSettings(), "the best of 11 subsets"),
        (SelectionSettings(methods=("arithmetic",)), "the best of 7 subsets"),
        (SelectionSettings(by="nested"), "the best of {} {} means of {} members"),
        (SelectionSettings(by="nested", limits=Limits(2, 2, must=(1,))), "the best of 2 {1} means of 2 members"),
        (SelectionSettings(by="nested", limits=Limits(3, 3)), "that of the only {1} mean of 3 members"),
    ],
)
def test_it_is_told_among_how_many_the_cv_is_the_best(
    settings: SelectionSettings, among: str, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    truth = np.eye(4, dtype=int)[random.integers(4, size=24)]
    pool = Pool(["a", "b", "c"], list(0.3 * truth + 0.6 * random.random((3, *truth.shape))), truth, np.arange(24) % 3)
    found = SelectionReport(runs(pool), pool, choose(pool, settings), settings)
    print_report(found)
    blend = found.choice.chosen.blend
    of_size = {1: 3, 2: 3, 3: 1}[len(blend.members)]
    said = f"the CV is {among.format(of_size, blend.method, len(blend.members))}, scored on the clips it was"
    assert said in capsys.readouterr().out
    assert said in record_of(found).how


def test_the_picture_of_sizes_begins_with_one_member_whatever_mean_is_taken() -> None:
    random = np.random.default_rng(0)
    truth = np.eye(4, dtype=int)[random.integers(4, size=24)]
    pool = Pool(["a", "b", "c"], list(0.3 * truth + 0.6 * random.random((3, *truth.shape))), truth, np.arange(24) % 3)
    for methods in (("arithmetic", "geometric"), ("geometric", "arithmetic")):
        settings = SelectionSettings(methods=methods, limits=Limits(1, 3))
        choice = choose(pool, settings)
        found = SelectionReport(runs(pool), pool, replace(choice, name=methods[1]), settings)
        (axes,) = record_of(found).figures["sizes"].axes
        assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
        assert axes.lines[0].get_ydata()[0] == pytest.approx(max(found.alone))
        assert found.choice.chosen.blend.method == methods[1]
        (gain,) = record_of(found).gain.splitlines()
        assert gain.startswith(f"against {pool.names[found.rival]} alone ")


def test_no_difference_has_no_minus() -> None:
    assert [_signed(value) for value in (-0.00004, 0.0, 0.00006, -0.00006)] == [
        "+0.0000",
        "+0.0000",
        "+0.0001",
        "-0.0001",
    ]


@pytest.mark.parametrize("size", [1, 2])
def test_a_blend_that_loses_to_a_candidate_alone_is_warned_of(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    truth = np.eye(4, dtype=int)[random.integers(4, size=24)]
    right, wrong = truth * 0.2 + 0.4, np.roll(truth, 1, axis=1) * 0.8 + 0.1
    pool = Pool(["right", "wrong"], [right, wrong], truth, np.arange(24) % 3)
    settings = SelectionSettings(limits=Limits(size, size))
    print_report(SelectionReport(runs(pool), pool, choose(pool, settings), settings))
    expected = "warning: right alone has a higher CV than this blend, the best that was scored\n" if size == 2 else ""
    assert capsys.readouterr().err == expected
    settings = SelectionSettings(limits=Limits(size, size), by="nested")
    print_report(SelectionReport(runs(pool), pool, choose(pool, settings), settings))
    assert capsys.readouterr().err == expected.replace("that was scored", "by the nested estimate")
