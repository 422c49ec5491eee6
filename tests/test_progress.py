"""Bars say how long it takes until all is done, in the width of a terminal."""

import pytest

from tagging.progress import Bar, warn


def test_the_bar_of_a_fold_has_the_time_left_for_the_whole_training():
    with Bar("fold 2 (3 of 5)", "step", 100, after=200) as bar:
        inner = bar._bar
        inner.dynamic_ncols, inner.ncols = None, 80
        inner._time = lambda: inner.start_t + 4000
        assert "all ?" in str(inner)
        bar.update(0)
        bar.update(25)
        bar.note("epoch 10, lwlrap 0.512")
        shown = str(inner)
    # 25 of 300 steps took 4,000 s: 75 and 275 steps are left
    assert shown.startswith("fold 2 (3 of 5):  25%|")
    assert shown.endswith("| [1:06:40<3:20:00, all 12:13:20, epoch 10, lwlrap 0.512]")
    assert len(shown) <= 80


def test_a_bar_with_nothing_after_it_has_its_own_time_alone():
    with Bar("features", "clip", 100) as bar:
        bar._bar._time = lambda: bar._bar.start_t + 10
        bar.update(0)
        bar.update(25)
        assert str(bar._bar).endswith("| 25/100 clips [00:10<00:30]")


def test_steps_of_an_earlier_process_do_not_count_as_fast():
    with Bar("fold 0", "step", 100) as bar:
        bar.update(50)  # done before this process began
        bar._bar._time = lambda: bar._bar.start_t + 10
        bar.update(25)
        assert str(bar._bar).endswith("| 75/100 steps [00:10<00:10]")


def test_a_line_brings_up_no_bar_before_its_time(capsys: pytest.CaptureFixture[str]):
    with Bar("features", "clip", 100) as bar:
        warn("silent")
        bar.update(1)
        warn("short")
    assert capsys.readouterr().err == "warning: silent\nwarning: short\n"
