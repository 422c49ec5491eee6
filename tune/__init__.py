"""Search with Ray Tune: spaces, searchers, trials that are cross-validations, and what a sweep leaves in the store."""
