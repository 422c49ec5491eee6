"""A table is a row a line in any terminal, and whole where it goes to a file."""

import pytest

from tagging.commands.printing import print_rows

HEADS = ["run", "CV lwlrap", "test"]
ROWS = [["corr_noisy_007_seed_3", "0.8600 ± 0.0050", "0.8500"], ["太鼓", "0.8", ""]]


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_table_that_goes_to_a_file_is_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_rows(HEADS, ROWS)
    assert printed(capsys) == [
        "run                          CV lwlrap    test",
        "corr_noisy_007_seed_3  0.8600 ± 0.0050  0.8500",
        "太鼓                               0.8",
    ]


@pytest.mark.parametrize(("columns", "name"), [("40", "corr_no…_seed_3"), ("10", "corr_n…eed_3")])
def test_names_alone_give_way_to_a_narrow_terminal(
    columns: str, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    print_rows(HEADS, ROWS, left=2)
    lines = printed(capsys)
    assert lines[1] == f"{name}  0.8600 ± 0.0050  0.8500"
    assert lines[2].startswith("太鼓")
