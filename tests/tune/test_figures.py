"""Every text of a sweep's pictures is inside the picture, whatever the names, and however many trials there are."""

import pytest

from tests.report.test_canvas import ROWS
from tests.report.texts import LONG, assert_readable
from tests.tune.test_report import LOG, record
from tune import figures
from tune.records import TrialRecord

STATES = ("FINISHED", "PRUNED", "FAILED", "KILLED", "RUNNING")


def trials(number: int, field: str) -> list[TrialRecord]:
    """Return trials of every state that chose numbers and sections under names of some length."""
    return [
        record(
            trial,
            None if trial % 5 == 2 else 0.5 + trial / 1000,
            STATES[trial % 5],
            values={
                "optimizer.lr": 10.0 ** -(1 + trial % 4),
                f"augment.spec_augment.{field}": trial,
                f"model.{field}": trial / 7,
                "scheduler": {"kind": field, "epochs": trial % 3},
            },
        )
        for trial in range(number)
    ]


@pytest.mark.parametrize("number", ROWS)
@pytest.mark.parametrize("name", ["seed", LONG])
def test_all_texts_are_inside_the_picture_and_none_is_a_formula(number: int, name: str) -> None:
    chosen = trials(number, name.replace(" ", "_"))
    for figure in (
        figures.history(name, chosen),
        figures.slices(name, chosen, LOG),
        figures.parallel_coordinates(name, chosen, LOG),
        figures.importances(name, chosen, LOG),
        figures.front_picture(name, chosen, ["lwlrap", "seconds"], "seconds"),
    ):
        assert_readable(figure)
