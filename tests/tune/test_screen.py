"""A sweep on a terminal of 80 columns and in a log."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.text import Text

from tune.records import TrialRecord
from tune.screen import Screen, short_names

PATHS = ["optimizer.lr", "mixer.prob", "mixer.sigmoid_share", "sampling.noisy", "scheduler"]
COSINE = '{"kind": "cosine", "first": 6, "growth": 2}'


def values(lr: float, prob: float = 0.66) -> dict[str, object]:
    return dict(zip(PATHS, [lr, prob, 0.123456, 3, COSINE], strict=True))


def record(number: int, state: str, lwlrap: float | None) -> TrialRecord:
    return TrialRecord(number, "r", state, values(3e-4), lwlrap, None, 12, 60.0, "")


def console(height: int = 25, width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True, record=True, _environ={})


def lines(screen: Screen, of: Console, room: int = 100) -> list[str]:
    of.print(screen.table(room))
    return [line.rstrip() for line in of.export_text().splitlines()]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1000.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times, 1252.7))


@pytest.mark.usefixtures("clock")
def test_the_table_at_80_columns_with_five_fields() -> None:
    of = console()
    screen = Screen(PATHS, 12, [record(0, "FINISHED", 0.8), record(1, "RUNNING", 0.5)], of)
    screen.started(2, values(0.00091234))
    screen.epoch(2, 40, 0.84123)
    screen.ended(2, "FINISHED", 0.84123)
    screen.started(3, values(1e-4, prob=1.0))
    screen.epoch(3, 3, 0.25)
    screen.ended(3, "PRUNED", 0.25)
    screen.started(4, values(0.002))
    screen.ended(4, "FAILED", None)
    screen.started(5, values(0.003))
    screen.epoch(5, 7, 0.6)
    screen.started(6, values(0.001))
    assert lines(screen, of) == [
        "trial  lr        prob   sigmoid_sh…  noisy  scheduler    epoch  lwlrap  state",
        "    0  0.0003    0.66   0.123        3      cosine, fi…     12  0.8000  finished",
        "    1  0.0003    0.66   0.123        3      cosine, fi…     12  0.5000  killed",
        "  * 2  0.000912  0.66   0.123        3      cosine, fi…     40  0.8412  finished",
        "    3  0.0001    1      0.123        3      cosine, fi…      3  0.2500  pruned",
        "    4  0.002     0.66   0.123        3      cosine, fi…                 failed",
        "    5  0.003     0.66   0.123        3      cosine, fi…      7  0.6000  running",
        "    6  0.001     0.66   0.123        3      cosine, fi…                 starting",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━╸━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━",
        "4 of 12 trials, best 0.8412 (trial 2), 1 pruned, 1 failed, 4:12 so far",
    ]


@pytest.mark.usefixtures("clock")
def test_it_shows_what_the_sweep_waits_for_until_a_trial_starts(capsys: pytest.CaptureFixture[str]) -> None:
    of = console()
    screen = Screen(PATHS, 12, [], of)
    screen.waits_for("Ray to start")
    assert lines(screen, of)[-1] == "0 of 12 trials, 4:12 so far, waiting for Ray to start"
    screen.waits_for("the first worker")
    assert lines(screen, of)[-1] == "0 of 12 trials, 4:12 so far, waiting for the first worker"
    screen.started(0, values(0.001))
    assert lines(screen, of)[1].endswith("starting")
    screen.epoch(0, 1, 0.3)
    assert lines(screen, of)[1].endswith("running")
    assert lines(screen, of)[-1] == "0 of 12 trials, 4:12 so far"
    Screen(PATHS, 12).waits_for("Ray to start")  # in a log
    assert capsys.readouterr().out == "waiting for Ray to start\n"


def test_short_names_tell_fields_apart() -> None:
    assert short_names(
        ["optimizer.lr", "mixer.prob", "augment.noise.prob", "model", "loss.curated.weight", "weight"]
    ) == {
        "optimizer.lr": "lr",
        "mixer.prob": "mixer.prob",
        "augment.noise.prob": "noise.prob",
        "model": "model",
        "loss.curated.weight": "curated.weight",
        "weight": "weight",
    }


@pytest.mark.usefixtures("clock")
def test_a_small_terminal_shows_what_runs_the_best_and_the_newest() -> None:
    of = console(height=12)
    earlier = [record(number, "FINISHED", 0.9 if number == 1 else 0.8) for number in range(20)]
    screen = Screen([f"section{number}.field{number}" for number in range(14)], 40, earlier, of)
    screen.started(20, {})
    assert lines(screen, of, room=4) == [
        "4 of 21 trials are shown",
        "7 of 14 searched fields are shown",
        "trial  fiel…  fiel…  fiel…  fiel…  fiel…  field5  fiel…  epoch  lwlrap  state",
        "  * 1                                                       12  0.9000  finished",
        "   18                                                       12  0.8000  finished",
        "   19                                                       12  0.8000  finished",
        "   20                                                                   starting",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╺━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━",
        "20 of 40 trials, best 0.9000 (trial 1), 4:12 so far",
    ]


def test_at_its_end_all_trials_stay_on_the_terminal() -> None:
    of = console(height=10)
    with Screen(PATHS, 30, [record(number, "FINISHED", 0.8) for number in range(30)], of) as screen:
        screen.started(3, values(1e-3))
        screen.ended(3, "FAILED", None, "loss is [nan]")
    shown = of.file.getvalue()
    assert "trial 3 failed: loss is [nan]\n" in shown
    last = Text.from_ansi(shown).plain.split("trial  lr")[-1]
    assert [str(number) in last.split() for number in range(30)] == [True] * 30


@pytest.mark.usefixtures("clock")
def test_elsewhere_a_line_at_the_start_and_two_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(PATHS, 12) as screen:
        screen.started(0, values(9e-4))
        screen.epoch(0, 1, 0.3)
        screen.epoch(0, 2, 0.45)
        screen.ended(0, "FINISHED", 0.45)
        screen.started(1, values(1e-4))
        screen.ended(1, "FAILED", None, "loss is nan")
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out == (
        "trial 0: lr 0.0009; prob 0.66; sigmoid_share 0.123; noisy 3; scheduler cosine, first 6, growth 2\n"
        "trial 0 finished after 2 epochs, lwlrap 0.4500\n"
        "  1 of 12 trials, best 0.4500 (trial 0), 4:12 so far\n"
        "trial 1: lr 0.0001; prob 0.66; sigmoid_share 0.123; noisy 3; scheduler cosine, first 6, growth 2\n"
        "trial 1 failed after 0 epochs: loss is nan\n"
        "  2 of 12 trials, best 0.4500 (trial 0), 1 failed, 4:12 so far\n"
    )


def test_the_death_of_a_worker_is_shown_and_its_trial_waits(capsys: pytest.CaptureFixture[str]) -> None:
    said = "trial 4: its worker died; another worker continues it"
    of = console()
    screen = Screen(PATHS, 12, [], of)
    screen.started(4, values(3e-4))
    screen.epoch(4, 3, 0.25)
    screen.lost(4)
    printed = lines(screen, of)
    assert printed[0] == said
    assert printed[2].endswith("3  0.2500  waiting")

    elsewhere = Screen(PATHS, 12, [], Console(file=io.StringIO(), width=80))
    elsewhere.started(4, values(3e-4))
    elsewhere.epoch(4, 3, 0.25)
    elsewhere.lost(4)
    elsewhere.lost(5)  # before it started
    assert capsys.readouterr().out.splitlines()[1:] == [said, "trial 5: its worker died; another worker continues it"]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that the screen sees, in seconds."""
    time = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: time[0])
    return time


def bar(screen: Screen, of: Console) -> str:
    line = lines(screen, of)[-2]
    assert len(line) <= 80
    return line.strip("━╸╺ ")


def test_the_time_left_follows_from_the_trials_that_ended(now: list[float]) -> None:
    of = console()
    screen = Screen(PATHS, 8, [record(0, "KILLED", 0.5)], of)
    now[0] += 1000  # of waiting for Ray
    screen.started(0, values(1e-3))
    screen.started(1, values(1e-3))
    now[0] += 100
    screen.ended(0, "FINISHED", 0.5)  # whose beginning nobody saw
    assert bar(screen, of) == ""
    screen.started(2, values(1e-3))
    now[0] += 10
    screen.ended(2, "FAILED", None)  # as all others may, or not
    assert bar(screen, of) == ""
    screen.started(3, values(1e-3))
    now[0] += 490
    screen.ended(1, "PRUNED", 0.4)  # after 600 s; with the failed one trials take 305
    # four to come, and one that is late already, two at a time
    assert bar(screen, of) == "about 10 min left"
    for number in range(4, 8):
        screen.started(number, values(1e-3))
        screen.ended(number, "PRUNED", 0.4)
    assert bar(screen, of) == ""


def test_in_a_log_the_time_left_comes_with_the_end_of_a_trial(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen(PATHS, 3, [], Console(file=io.StringIO(), width=80))
    screen.started(0, values(1e-3))
    now[0] += 5000
    screen.ended(0, "FINISHED", 0.5)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "  1 of 3 trials, best 0.5000 (trial 0), 1:23:20 so far, about 2.8 h left"
    )


EVENTS: dict[str, Callable[[Screen], None]] = {
    "starting": lambda screen: screen.started(0, values(1e-3)),
    "running": lambda screen: screen.epoch(0, 2, 0.5),
    "waiting": lambda screen: screen.lost(0),
    "pruned": lambda screen: screen.ended(0, "PRUNED", 0.5),
    "failed": lambda screen: screen.ended(0, "FAILED", None, "why"),
}


def test_a_trials_events_may_come_in_any_order(capsys: pytest.CaptureFixture[str]) -> None:
    for told in itertools.product(EVENTS, repeat=3):
        of = console()
        on_terminal, in_log = Screen(PATHS, 1, [], of), Screen(PATHS, 1, [], Console(file=io.StringIO()))
        for event in told:
            EVENTS[event](on_terminal)
            EVENTS[event](in_log)
        # an epoch changes no state but that of a trial that starts
        state = next((event for event in reversed(told) if event != "running"), "running")
        shown = "running" if state == "starting" and "running" in told else state
        *_, row, _, sentence = lines(on_terminal, of)
        assert row.split()[-1] == shown, told
        assert sentence.startswith(f"{int(state in ('pruned', 'failed'))} of 1 trials"), told
    said = capsys.readouterr().out
    assert said.count("trial 0: its worker died; another worker continues it\n") == 75  # of the logs, one a time
