from tagging.augment.filter import Filter
from tagging.augment.mixers import MixSettings
from tagging.augment.noise import Noise
from tagging.augment.resized_crop import ResizedCrop
from tagging.augment.shifts import PitchShift, TimeShift
from tagging.augment.spec_augment import SpecAugment
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
        augmentations={
            "time_shift": TimeShift(prob=0.2, max_share=0.3),
            "pitch_shift": PitchShift(prob=0.4, max_bands=5),
            "resized_crop": ResizedCrop(prob=0.33, scale_min=0.8, scale_max=1.0, ratio_min=1.7, ratio_max=2.3),
            "filter": Filter(prob=0.6, shape="step", min_bands=2, max_bands=7, min_width=8, db=9.0),
            "noise": Noise(prob=0.15, max_db=1.1),
            "spec_augment": SpecAugment(prob=0.5, max_masks=2, freq_share=0.15, time_share=0.2),
        },
    )
    assert build.mix_settings(load("base", ["mixer.labels=union"])) == MixSettings(
        prob=0.8, sigmoid_share=0.6, sigmoid_min=3, sigmoid_max=12, mixup_max=0.5, labels="union"
    )


def test_what_the_original_has_not_is_off():
    off = [name for name, one in build.view_settings(load("base")).augmentations.items() if one.prob == 0]
    assert off == ["time_shift", "pitch_shift", "filter", "noise"]
    assert build.mix_settings(load("base")).labels == "mean"
