from tagging.augment.filters import FilterSettings
from tagging.augment.mixers import MixSettings
from tagging.augment.noise import NoiseSettings
from tagging.augment.pitch_shift import PitchShiftSettings
from tagging.augment.resized_crop import ResizedCropSettings
from tagging.augment.spec_augment import MaskSettings
from tagging.augment.time_shift import TimeShiftSettings
from tagging.augment.views import ViewSettings
from tagging.config import load
from tagging.jobs import build


def test_every_number_of_a_view_arrives_in_its_place():
    experiment = load(
        "base",
        [
            "sampling.frames=128 augment.wrap_prob=0.1",
            "augment.time_shift.prob=0.2 augment.time_shift.max_share=0.3",
            "augment.pitch_shift.prob=0.4 augment.pitch_shift.max_bands=5",
            "augment.filter.prob=0.6 augment.filter.shape=step augment.filter.min_bands=2 augment.filter.max_bands=7",
            "augment.filter.min_width=8 augment.filter.db=9",
            "augment.noise.prob=0.15 augment.noise.max_db=1.1",
        ],
    )
    assert build.view_settings(experiment) == ViewSettings(
        frames=128,
        wrap_prob=0.1,
        time_shift=TimeShiftSettings(prob=0.2, max_share=0.3),
        pitch_shift=PitchShiftSettings(prob=0.4, max_bands=5),
        resized_crop=ResizedCropSettings(prob=0.33, scale=(0.8, 1.0), ratio=(1.7, 2.3)),
        filter=FilterSettings(prob=0.6, shape="step", min_bands=2, max_bands=7, min_width=8, db=9.0),
        noise=NoiseSettings(prob=0.15, max_db=1.1),
        masks=MaskSettings(prob=0.5, max_masks=2, freq_share=0.15, time_share=0.2),
    )
    assert build.mix_settings(load("base", ["mixer.labels=union"])) == MixSettings(
        prob=0.8, sigmoid_prob=0.6, rate_min=3, rate_max=12, alpha_max=0.5, labels="union"
    )


def test_what_the_original_has_not_is_off():
    views = build.view_settings(load("base"))
    assert [part.prob for part in (views.time_shift, views.pitch_shift, views.filter, views.noise)] == [0, 0, 0, 0]
    assert build.mix_settings(load("base")).labels == "mean"
