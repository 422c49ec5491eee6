import numpy as np
import pytest

from tagging.features.settings import LogMelSettings
from tagging.features.waveforms import fit_least_length, reflected, sounding_span, trim_blocks, trim_waveform
from tests.features.sounds import WAVEFORMS
from tests.reference.logmel import trim_span, trimmed


@pytest.mark.parametrize("name", WAVEFORMS)
def test_span_equals_librosa(name):
    assert sounding_span([WAVEFORMS[name]], 60.0) == trim_span(WAVEFORMS[name], 60.0)


@pytest.mark.parametrize("name", WAVEFORMS)
def test_trimmed_waveform_equals_the_reference(name):
    settings = LogMelSettings()
    samples = trim_waveform(WAVEFORMS[name], settings)
    np.testing.assert_array_equal(samples, trimmed(WAVEFORMS[name], settings))
    assert len(samples) >= 22050
    assert samples.dtype == np.float32


def test_short_sound_late_in_a_clip_is_kept_in_the_middle():
    click = np.flatnonzero(WAVEFORMS["late click"])
    samples = trim_waveform(WAVEFORMS["late click"], LogMelSettings())
    kept = np.flatnonzero(samples)
    assert len(kept) == len(click)
    assert abs((kept[0] + kept[-1]) / 2 - 11025) < 1024


def test_missing_samples_become_zeros_on_both_sides():
    samples = np.ones(5, np.float32)
    (padded,) = fit_least_length([samples], 0, 5, 8)
    assert padded.tolist() == [0, 1, 1, 1, 1, 1, 0, 0]
    (around,) = fit_least_length([np.arange(100.0)], 50, 53, 8)
    assert around.tolist() == list(range(47, 55))


@pytest.mark.parametrize("size", [700, 50000])
def test_a_waveform_in_blocks_is_trimmed_as_a_whole(size):
    settings = LogMelSettings()
    for name, samples in WAVEFORMS.items():
        blocks = [samples[first : first + size] for first in range(0, len(samples), size)]
        np.testing.assert_array_equal(
            np.concatenate(list(trim_blocks(blocks, settings))), trim_waveform(samples, settings), err_msg=name
        )


@pytest.mark.parametrize("length", [1, 2, 5, 6, 7, 40])
def test_blocks_are_padded_by_reflection_as_numpy_does(length):
    samples = np.random.default_rng(0).standard_normal(length).astype(np.float32)
    for size in (1, 3, 40):
        blocks = [samples[:0], *(samples[first : first + size] for first in range(0, length, size)), samples[:0]]
        np.testing.assert_array_equal(np.concatenate(list(reflected(blocks, 6))), np.pad(samples, 6, mode="reflect"))
