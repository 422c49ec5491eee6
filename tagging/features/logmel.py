"""Waveforms to log-mels, many clips at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from tagging.features.settings import LogMelSettings, mel_filterbank
from tagging.features.waveforms import Blocks, reflected

_LEAST_POWER = 1e-10
_FRAMES_AT_ONCE = 256  # a chunk of 2.6 MB and its spectrum stay in the cache: fastest on two CPU cores
_BLOCKS = 8  # of neighbouring mel bands; each needs few of the frequencies: an eighth of the product


class LogMel:
    """The log-mel of waveforms, batched over the frames of clips of any length.

    |STFT|^2 (periodic Hann window, reflect-padded by n_fft // 2 on both sides), Slaney mel bands,
    10 log10(max(1e-10, power)), floored at the clip's maximum - range_db. In float32 within 0.01 dB of
    librosa in float64.
    """

    def __init__(self, settings: LogMelSettings) -> None:
        self.settings = settings
        self._window = torch.hann_window(settings.n_fft)
        self._filters = _in_blocks(torch.from_numpy(mel_filterbank(settings)).float())

    def __call__(self, waveforms: Sequence[np.ndarray]) -> list[Tensor]:
        """Map waveforms [samples_i] float32 to log-mels [1 + samples_i // hop, M] float32 dB."""
        if not waveforms:
            return []
        counts = [1 + len(samples) // self.settings.hop for samples in waveforms]
        view, rows = self._framed(waveforms, counts)
        decibels = torch.cat([self._decibels(frames) for frames in view.split(_FRAMES_AT_ONCE)])[rows]
        clip = torch.repeat_interleave(torch.tensor(counts))
        loudest = torch.full((len(counts),), -torch.inf).scatter_reduce(0, clip, decibels.amax(dim=1), "amax")
        floored = torch.maximum(decibels, (loudest - self.settings.range_db)[clip, None])
        return list(floored.split(counts))

    def unfloored(self, waveform: Blocks) -> Iterator[Tensor]:
        """Yield the log-mel of one waveform, not empty, in pieces [T_i, M] float32 dB, without the floor of its range.

        The floor needs the maximum of all pieces. Otherwise within rounding of what a call gives.
        """
        n_fft, hop = self.settings.n_fft, self.settings.hop
        rest = np.empty(0, np.float32)
        for padded in reflected(waveform, n_fft // 2):
            rest = np.concatenate([rest, padded])
            if len(rest) >= n_fft:
                frames = torch.from_numpy(rest).unfold(0, n_fft, hop)
                yield torch.cat([self._decibels(some) for some in frames.split(_FRAMES_AT_ONCE)])
                rest = rest[len(frames) * hop :]

    def _framed(self, waveforms: Sequence[np.ndarray], counts: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return frames [F, n_fft] as a view of all samples, and the rows that are a clip's own.

        Each clip begins at a multiple of the hop, so that all frames lie in one strided view and none is
        copied; the few rows that reach from one clip into the next are thrown away at the end.
        """
        hop, half = self.settings.hop, self.settings.n_fft // 2
        padded = [np.pad(samples, half, mode="reflect") for samples in waveforms]
        steps = np.array([-(-len(samples) // hop) for samples in padded])
        first = np.cumsum(steps) - steps
        flat = np.zeros(int(steps.sum()) * hop + self.settings.n_fft, dtype=np.float32)
        for samples, row in zip(padded, first, strict=True):
            flat[row * hop : row * hop + len(samples)] = samples
        rows = np.concatenate([np.arange(row, row + count) for row, count in zip(first, counts, strict=True)])
        return torch.from_numpy(flat).unfold(0, self.settings.n_fft, hop), torch.from_numpy(rows)

    def _decibels(self, frames: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(frames * self._window)
        power = spectrum.real.square() + spectrum.imag.square()
        mels = torch.cat([power[:, bins] @ filters for bins, filters in self._filters], dim=1)
        return 10 * torch.log10(mels.clamp(min=_LEAST_POWER))


def _in_blocks(filters: Tensor) -> list[tuple[slice, Tensor]]:
    """Split a filterbank [bins, M] into blocks of bands, each with the span of bins that is not all zero for it."""
    blocks = []
    for bands in filters.chunk(_BLOCKS, dim=1):
        used = bands.any(dim=1).int()
        span = slice(int(used.argmax()), len(used) - int(used.flip(0).argmax()))
        blocks.append((span, bands[span].contiguous()))
    return blocks
