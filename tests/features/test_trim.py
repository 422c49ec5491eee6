import numpy as np
import pytest

from tagging.features.logmel import trim_waveform
from tagging.features.settings import LogMelSettings
from tagging.features.trim import fit_least_length, sounding_span
from tests.features.sounds import WAVEFORMS
from tests.reference.logmel import trim_span, trimmed


@pytest.mark.parametrize("name", WAVEFORMS)
def test_span_equals_librosa(name):
    assert sounding_span(WAVEFORMS[name], 60.0) == trim_span(WAVEFORMS[name], 60.0)


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
    assert fit_least_length(samples, 0, 5, 8).tolist() == [0, 1, 1, 1, 1, 1, 0, 0]
    assert fit_least_length(np.arange(100.0), 50, 53, 8).tolist() == list(range(47, 55))
