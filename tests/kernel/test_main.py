"""The command line of a kernel, run in this process."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tagging.kernel.clock import Clock
from tagging.kernel.main import main, parser
from tagging.kernel.plan import Plan
from tagging.kernel.weights import read_weights, write_weights
from tests.kernel.parts import CLASSES, network, plan_of, weights_file, write_sound


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a millisecond pass at each look at the clock, however busy the machine is; it starts at 0."""
    ticks = count(1)
    monkeypatch.setattr("tagging.kernel.main.Clock", partial(Clock, now=lambda: next(ticks) / 1000))


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    write_sound(tmp_path / "sound", 5)
    return plan_of(network("a", tmp_path / "weights"), network("b", tmp_path / "weights"))


def said(plan: Plan, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a kernel says on the error stream when it is given something wrong."""
    assert main(plan, Path.cwd(), 0.0, list(arguments)) == 2
    assert not Path("submission.csv").exists()
    return capsys.readouterr().err


def tags(plan: Plan, *arguments: str) -> pd.DataFrame:
    assert main(plan, Path.cwd(), 0.0, ["--sound", "sound", *arguments]) == 0
    return pd.read_csv("submission.csv", dtype={"fname": str})


def test_without_a_sample_all_sound_is_tagged_in_the_order_of_names(plan: Plan) -> None:
    Path("sound/3.wav").rename("sound/10.WAV")
    Path("sound/deeper").mkdir()
    Path("sound/2.wav").rename("sound/deeper/2.wav")
    written = tags(plan)
    assert list(written["fname"]) == ["0.wav", "1.wav", "10.WAV", "4.wav", "deeper/2.wav"]
    assert list(written.columns[1:]) == list(CLASSES)


def test_a_name_that_is_not_utf8_stands_in_the_table_by_its_bytes(plan: Plan) -> None:
    Path("sound/3.wav").rename(os.fsdecode(b"sound/caf\xe9.wav"))
    assert list(tags(plan)["fname"]) == ["0.wav", "1.wav", "2.wav", "4.wav", "caf\\xe9.wav"]


def test_rows_and_columns_stand_as_the_sample_has_them(plan: Plan) -> None:
    Path("sample.csv").write_text("fname,Moo,Bark,Meow\n" + "".join(f"{n}.wav,0,0,0\n" for n in (4, 0, 3, 1, 2)))
    sorted_by_name = tags(plan)
    written = tags(plan, "--sample", "sample.csv")
    assert list(written.columns) == ["fname", "Moo", "Bark", "Meow"]
    assert list(written["fname"]) == ["4.wav", "0.wav", "3.wav", "1.wav", "2.wav"]
    in_order = written.sort_values("fname")[["fname", *CLASSES]].reset_index(drop=True)
    assert np.allclose(in_order[list(CLASSES)], sorted_by_name[list(CLASSES)], rtol=1e-5)


def test_a_clip_that_cannot_be_read_gets_the_mean_of_the_others(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sound/1.wav").write_text("no sound")
    Path("sound/2.wav").unlink()
    Path("sample.csv").write_text("fname,Bark,Meow,Moo\n" + "".join(f"{n}.wav,0,0,0\n" for n in range(5)))
    written = tags(plan, "--sample", "sample.csv").set_index("fname")
    assert len(written) == 5
    for fname in ("1.wav", "2.wav"):
        assert np.allclose(written.loc[fname], written.loc[["0.wav", "3.wav", "4.wav"]].mean(), rtol=1e-5)
    lines = capsys.readouterr().out.splitlines()
    named = [
        "warning: sound/1.wav: cannot be decoded as sound (Format not recognised); its row is the mean of all others",
        "warning: sound/2.wav: there is no such file; its row is the mean of all others",
    ]
    assert lines[:3] == [*named, "sound: 3 of 5 clips in 0 s"]
    assert lines[-4:-1] == [*named, "warning: 3 of 5 clips tagged; the others are named above"]
    assert lines[-1].startswith("wrote submission.csv: 5 clips by 4 networks in ")


def test_a_time_limit_leaves_out_what_is_last_and_says_so(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    tags(plan, "--time-limit", "0.00001")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:-1] == [
        "warning: left out for the time limit: a, fold 1; b, fold 0; b, fold 1",
        "warning: the time limit of 0 s is passed: 0 s",
    ]
    assert lines[-1].startswith("wrote submission.csv: 5 clips by 1 network in ")


def test_the_limit_that_was_packed_is_kept_to_unless_another_is_given(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = replace(plan, time_limit=1e-5)
    tags(limited)
    assert "left out for the time limit" in capsys.readouterr().out
    tags(limited, "--time-limit", "5")
    assert "left out for the time limit" not in capsys.readouterr().out


@pytest.mark.parametrize(("limit", "text"), [(None, "no limit"), (90.0, "90")])
def test_help_tells_the_limit_that_was_packed(plan: Plan, limit: float | None, text: str) -> None:
    shown = " ".join(parser(replace(plan, time_limit=limit)).format_help().split())
    assert shown.endswith(
        "--time-limit MINUTES leave networks out rather than take longer, from the process's start on "
        f"(default: {text})"
    )


def with_nan(plan: Plan, place: int, fold: int) -> Plan:
    """Return the plan with weights of NaN in one fold."""
    file = Path("weights") / weights_file(plan, place, fold).file
    state = {name: part * torch.nan if part.is_floating_point() else part for name, part in read_weights(file).items()}
    networks = list(plan.networks)
    networks[place] = replace(networks[place], folds=networks[place].folds | {fold: write_weights(state, file)})
    return replace(plan, networks=tuple(networks))


def test_a_network_whose_output_is_not_finite_is_left_out(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    broken = with_nan(plan, 0, 1)
    written = tags(broken)
    assert np.isfinite(written[list(CLASSES)]).all(axis=None)
    lines = capsys.readouterr().out.splitlines()
    assert "warning: left out, for its output is not finite (NaN or infinite): a, fold 1" in lines
    assert lines[-1].startswith("wrote submission.csv: 5 clips by 3 networks in ")
    Path("submission.csv").unlink()
    for place, fold in ((0, 0), (1, 0), (1, 1)):
        broken = with_nan(broken, place, fold)
    assert said(broken, capsys, "--sound", "sound") == (
        "error: the output of every network is not finite; pack a run with networks that give finite numbers\n"
    )


def test_sound_that_is_not_there_is_said(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(plan, capsys, "--sound", "none") == (
        "error: none: there is no such folder; give the folder of the sound with --sound\n"
    )


def test_without_any_sound_a_submission_is_written_all_the_same(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = "warning: there is no clip that can be read; "
    Path("none").mkdir()
    Path("header.csv").write_text("fname,Moo,Bark,Meow\n")
    for sound, sample, columns in (
        ("none", [], "Bark,Meow,Moo"),
        ("none", ["--sample", "header.csv"], "Moo,Bark,Meow"),
        ("sound", ["--sample", "header.csv"], "Moo,Bark,Meow"),
    ):
        assert main(plan, Path.cwd(), 0.0, ["--sound", sound, *sample]) == 0
        assert Path("submission.csv").read_text() == f"fname,{columns}\n"
        assert capsys.readouterr().out == (
            f"sound: 0 of 0 clips in 0 s\n{nothing}the table has a header alone\nwrote submission.csv: 0 clips\n"
        )
    Path("none/1.wav").write_text("no sound")
    Path("rows.csv").write_text(
        "fname,Bark,Meow,Moo\n1.wav,0,0,0\n" + "".join(f"{n}.wav,0,0,0\n" for n in range(2, 24))
    )
    assert main(plan, Path.cwd(), 0.0, ["--sound", "none", "--sample", "rows.csv"]) == 0
    written = pd.read_csv("submission.csv")
    assert written["fname"].tolist() == [f"{n}.wav" for n in range(1, 24)]
    assert np.allclose(written[list(CLASSES)], 1 / 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "warning: none/1.wav: cannot be decoded as sound (Format not recognised)",
        "warning: none/2.wav: there is no such file",
    ]
    assert lines[-4:] == [
        "warning: ... and 3 more such clips",
        "sound: 0 of 23 clips in 0 s",
        f"{nothing}all rows are equal",
        "wrote submission.csv: 23 clips",
    ]


def test_a_sample_of_other_classes_is_refused(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.csv").write_text("fname,Bark,Dog\na.wav,0,0\n")
    assert said(plan, capsys, "--sound", "sound", "--sample", "other.csv") == (
        "error: other.csv: its columns are not the 3 classes of this kernel: it has Dog; it lacks Meow, Moo\n"
    )
    assert said(plan, capsys, "--sound", "sound", "--sample", "none.csv") == (
        "error: none.csv: there is no such table; give the sample submission with --sample\n"
    )


def test_a_submission_that_cannot_be_written_stops_at_once(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(plan, capsys, "--sound", "sound", "--out", "no/mine.csv") == (
        "error: no/mine.csv: cannot be written: No such file or directory\n"
    )


def test_weights_that_are_not_those_packed_stop_at_once(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    damaged, missing = Path("weights/a-fold-0.npz").absolute(), Path("weights/b-fold-1.npz").absolute()
    damaged.write_bytes(damaged.read_bytes()[:-1])
    missing.unlink()
    assert said(plan, capsys, "--sound", "sound") == (
        f"error: {damaged}: the weights are damaged, or of another kernel\n"
        f"error: {missing}: the weights are missing\n"
        "error: copy the folder weights again from where it was packed\n"
    )


def test_a_library_that_is_missing_is_said(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(replace(plan, modules=("no_such_library",)), capsys, "--sound", "sound") == (
        "error: networks of small (12345678) need no_such_library, which is not installed here; install it\n"
    )


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan", "inf"])
def test_a_limit_is_a_number_of_minutes(plan: Plan, capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit):
        main(plan, Path.cwd(), 0.0, ["--sound", "sound", f"--time-limit={text}"])
    assert capsys.readouterr().err.endswith(f"argument --time-limit: {text!r} is not a number of minutes above 0\n")
