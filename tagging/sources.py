"""Where a clip comes from; the loss and the sampler treat each source in its own way."""

CURATED, NOISY, TRUSTED = 0, 1, 2
NAMES = ("curated", "noisy", "trusted")
