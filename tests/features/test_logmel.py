import librosa
import numpy as np
import pytest
import soundfile
import torch

from tagging.features.logmel import LogMel
from tagging.features.settings import LogMelSettings, mel_filterbank
from tagging.features.waveforms import sounding_span, trim_waveform
from tests.features.sounds import WAVEFORMS, noise
from tests.reference import logmel as reference
from tests.shared import SHARED, needs_shared

TOLERANCE = 0.01  # dB: the contract


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "fmin", "fmax"),
    [(44100, 2560, 128, 20.0, 22050.0), (16000, 512, 40, 0.0, 8000.0), (32000, 1024, 64, 50.0, 14000.0)],
)
def test_filterbank_equals_librosa(rate, n_fft, n_mels, fmin, fmax):
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, dtype=np.float64)
    settings = LogMelSettings(sample_rate=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    np.testing.assert_allclose(mel_filterbank(settings).T, expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore:n_fft=2560 is too large")
def test_equals_librosa_for_clips_of_any_length_in_one_call():
    settings = LogMelSettings()
    computed = LogMel(settings)(list(WAVEFORMS.values()))
    for name, ours in zip(WAVEFORMS, computed, strict=True):
        expected = reference.logmel(WAVEFORMS[name], settings)
        assert ours.shape == (1 + len(WAVEFORMS[name]) // 690, 128), name
        assert ours.dtype == torch.float32
        assert np.abs(ours.numpy() - expected).max() < TOLERANCE, name


def test_equals_librosa_with_other_settings():
    settings = LogMelSettings(sample_rate=16000, n_fft=512, hop=160, n_mels=40, fmax=8000.0, range_db=60.0)
    ours = LogMel(settings)([WAVEFORMS["fading noise"]])[0].numpy()
    assert np.abs(ours - reference.logmel(WAVEFORMS["fading noise"], settings)).max() < TOLERANCE


def test_frames_of_lengths():
    logmel = LogMel(LogMelSettings())
    clips = logmel([noise(seconds) for seconds in (0.5, 4, 10)])
    assert [len(clip) for clip in clips] == [32, 256, 640]
    assert logmel([]) == []


def test_silence_is_a_constant():
    (clip,) = LogMel(LogMelSettings())([WAVEFORMS["zeros"]])
    assert (clip == -100).all()


def test_floor_lies_below_the_clips_own_maximum():
    loud, quiet = LogMel(LogMelSettings())([noise(1), noise(1, level=1e-4)])
    assert quiet.max() < loud.max() - 50
    for clip in LogMel(LogMelSettings())(list(WAVEFORMS.values())):
        assert clip.max() - clip.min() <= 80.0001


@needs_shared
def test_equals_librosa_on_real_sound():
    settings = LogMelSettings()
    files = sorted((SHARED / "data/esc10/audio").glob("*.ogg"))[::40]
    waveforms = [soundfile.read(path, dtype="float32")[0] for path in files]
    for samples in waveforms:
        assert sounding_span([samples], 60.0) == reference.trim_span(samples, 60.0)
    trimmed = [trim_waveform(samples, settings) for samples in waveforms]
    for ours, samples in zip(LogMel(settings)(trimmed), trimmed, strict=True):
        assert np.abs(ours.numpy() - reference.logmel(samples, settings)).max() < TOLERANCE


def test_a_waveform_in_blocks_has_the_log_mel_of_the_whole_before_its_floor():
    settings = LogMelSettings()
    logmel = LogMel(settings)
    for name, samples in WAVEFORMS.items():
        (expected,) = logmel([samples])
        for size in (1500, 20000):
            blocks = [samples[first : first + size] for first in range(0, len(samples), size)]
            pieces = torch.cat(list(logmel.unfloored(blocks)))
            assert pieces.shape == expected.shape, name
            floored = pieces.clamp(min=pieces.max() - settings.range_db)
            torch.testing.assert_close(floored, expected, atol=1e-4, rtol=0, msg=name)
