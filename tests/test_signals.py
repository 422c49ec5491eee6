"""Signals that end a command: which they are, and that none gets lost. Each is real, sent to this process."""

from __future__ import annotations

import signal
import time
import weakref
from collections.abc import Callable

import pytest

from tagging import signals
from tagging.commandline import exit_status


@pytest.fixture(autouse=True)
def again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_AGAIN_S", 0.02)


def run_for_long() -> None:
    """Do what a command does that nobody interrupts: come to an end at some time."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        pass


class Clip:
    """Something that is cleared away."""


def in_a_weakref_callback(number: int) -> None:
    clip = Clip()
    kept = weakref.ref(clip, lambda _: signal.raise_signal(number))
    del clip
    assert kept() is None


def in_a_finalizer(number: int) -> None:
    class Sends:
        def __del__(self) -> None:
            signal.raise_signal(number)

    Sends()


def in_code_that_catches_everything(number: int) -> None:
    for _ in range(3):
        try:
            signal.raise_signal(number)
            run_for_long()
        except BaseException:
            pass


@pytest.mark.parametrize("number", signals.ENDING)
def test_each_signal_of_the_list_ends_a_command(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(number)
    assert exit_status(lambda: signal.raise_signal(number), "go on by hand") == 130
    assert capsys.readouterr() == ("", "\nstopped; go on by hand\n")
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("where", [in_a_weakref_callback, in_a_finalizer, in_code_that_catches_everything])
def test_a_signal_that_gets_lost_comes_again(where: Callable[[int], None], capsys: pytest.CaptureFixture[str]) -> None:
    went_on = []

    def command() -> None:
        where(signal.SIGTERM)
        went_on.append(True)
        run_for_long()
        went_on.append(False)

    assert exit_status(command, "go on by hand") == 130
    assert went_on == [True]
    assert capsys.readouterr() == ("", "\nstopped; go on by hand\n")


def test_what_closes_runs_is_not_interrupted_again_except_by_a_second_ctrl_c() -> None:
    closed = []

    def command() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):  # as launchers send after a SIGINT
                signal.raise_signal(number)
            until = time.monotonic() + 5 * signals._AGAIN_S
            while time.monotonic() < until:
                try:
                    raise ValueError  # handled amid the end of the command
                except ValueError:
                    pass
            closed.append("runs")
            signal.raise_signal(signal.SIGINT)
            closed.append("more")

    assert exit_status(command, "go on by hand") == 130
    assert closed == ["runs"]


def test_a_signal_that_is_ignored_when_the_command_starts_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert exit_status(lambda: signal.raise_signal(signal.SIGHUP), "go on by hand") == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
