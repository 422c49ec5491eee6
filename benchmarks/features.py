"""Log-mels: ours, batched, against librosa clip by clip, on one core each.

python -m benchmarks.features
"""

from __future__ import annotations

import librosa
import numpy as np
import torch

from benchmarks.timing import best_of, use_one_core
from tagging.features.logmel import LogMel
from tagging.features.settings import LogMelSettings
from tagging.features.waveforms import trim_waveform

CLIPS, SECONDS = 32, 5


def main() -> None:
    """Print clips a second of both, their ratio, and the largest difference."""
    use_one_core()
    settings = LogMelSettings()
    random = np.random.default_rng(0)
    sounds = [random.normal(0, 0.1, SECONDS * 44100).astype(np.float32) for _ in range(CLIPS)]
    front_end = LogMel(settings)

    def ours() -> list[torch.Tensor]:
        return front_end([trim_waveform(sound, settings) for sound in sounds])

    def reference() -> list[np.ndarray]:
        return [_librosa(sound, settings) for sound in sounds]

    difference = max(np.abs(a.numpy() - b.T).max() for a, b in zip(ours(), reference(), strict=True))
    slow, fast = best_of(5, reference, ours)
    print(f"librosa  {CLIPS / slow:6.0f} clips/s   ours {CLIPS / fast:6.0f} clips/s   of {SECONDS} s, one core each")
    print(f"ratio    {slow / fast:.1f}   largest difference {difference:.4f} dB (librosa in float32)")


def _librosa(sound: np.ndarray, settings: LogMelSettings) -> np.ndarray:
    rms = librosa.feature.rms(y=sound, frame_length=2048, hop_length=512, pad_mode="reflect")[0]
    sounding = np.flatnonzero(librosa.amplitude_to_db(rms, ref=np.max, top_db=None) > -settings.trim_db)
    sound = sound[sounding[0] * 512 : (sounding[-1] + 1) * 512]
    power = librosa.feature.melspectrogram(
        y=sound,
        sr=settings.sample_rate,
        n_fft=settings.n_fft,
        hop_length=settings.hop,
        n_mels=settings.n_mels,
        fmin=settings.fmin,
        fmax=settings.fmax,
        pad_mode="reflect",
    )
    return librosa.power_to_db(power, ref=1.0, top_db=settings.range_db)


if __name__ == "__main__":
    main()
