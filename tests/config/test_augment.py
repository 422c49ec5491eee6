import pytest

from tagging.config import load
from tagging.errors import UserError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("augment.filter.min_bands=6", "augment.filter: min_bands 6 exceeds max_bands 5"),
        ("augment.filter.shape=steps", "augment.filter.shape is 'steps'; it must be 'linear' or 'step'"),
        ("mixer.labels=or", "mixer.labels is 'or'; it must be 'mean' or 'union'"),
        ("augment.time_shift.max_share=2", "augment.time_shift.max_share is '2'; it must be less than or equal to 1"),
        (
            "augment.pitch_shift.max_bands=16",
            "augment.pitch_shift.max_bands is '16'; it must be less than or equal to 15",
        ),
        ("augment.noise.max_db=-1", "augment.noise.max_db is '-1'; it must be greater than or equal to 0"),
    ],
)
def test_an_augmentation_that_cannot_be_is_named(override: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load("base", [override])
    assert str(error.value) == f"--set {override.partition('=')[0]}: {message}"
