"""Small pools, and the slow way to score them: scikit-learn on the integers that a mean adds up."""

import itertools

import numpy as np
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score

from tagging.ensemble.pairs import fixed_point, precision_table
from tagging.ensemble.pool import Pool
from tagging.ensemble.subsets import members_of


def random_pool(seed=0, candidates=5, clips=40, classes=7, folds=3, levels=None, skill=2.0, labels=0.15):
    """Candidates that see the truth through noise of their own; `levels` rounds them, so that they tie."""
    rng = np.random.default_rng(seed)
    truth = rng.random((clips, classes)) < labels
    truth[0, rng.integers(classes)] = True
    noise = rng.normal(size=(candidates, clips, classes))
    probabilities = 1 / (1 + np.exp(2 - skill * truth - noise))
    if levels is not None:
        probabilities = np.floor(probabilities * levels) / levels  # zeros among them
    fold = np.concatenate([np.arange(folds), rng.integers(0, folds, clips - folds)])
    return Pool([f"run {index}" for index in range(candidates)], list(probabilities.astype(np.float32)), truth, fold)


pools = st.builds(
    random_pool,
    seed=st.integers(0, 2**32 - 1),
    candidates=st.integers(1, 8),
    clips=st.integers(3, 25),
    classes=st.integers(1, 9),
    folds=st.integers(2, 3),
    levels=st.sampled_from([None, 2, 5]),
    skill=st.floats(0, 6),
    labels=st.floats(0, 1),
)


def reference(pool, method, counts, clips=None):
    """lwlrap of a weighted mean by scikit-learn, from the same integers; `clips` bool: on some alone."""
    sums = np.tensordot(np.asarray(counts), fixed_point(pool, method).astype(np.int64), axes=1)
    chosen = pool.truth.any(axis=1) & (True if clips is None else clips)
    truth = pool.truth[chosen]
    if not chosen.any():
        return 0.0
    return label_ranking_average_precision_score(truth, sums[chosen].astype(float), sample_weight=truth.sum(axis=1))


def plain_clip_sums(pool, method, counts):
    """The summed precisions of each clip [S, n] under each row of counts [S, N], every class compared."""
    means = np.tensordot(np.asarray(counts, dtype=np.int64), fixed_point(pool, method).astype(np.int64), axes=1)
    clips, classes = np.nonzero(pool.truth)
    at_least = means[:, clips] >= means[:, clips, classes][:, :, None]
    right = (at_least & pool.truth[clips]).sum(axis=2)
    sums = np.zeros((pool.clips, len(means)), dtype=np.int64)
    np.add.at(sums, clips, precision_table(pool.truth)[right, at_least.sum(axis=2) - right].T)
    return sums.T


def plain_subset_sums(pool, method, subsets):
    """The summed precisions of each fold [K, S] under the equal mean of each subset of a plan, likewise."""
    sums = plain_clip_sums(pool, method, members_of(subsets.masks(), len(pool)))
    return np.stack([sums[:, pool.fold == fold].sum(axis=1) for fold in range(len(pool.folds))])


def all_subsets(candidates, limits):
    """Every allowed subset as a row of counts, the slow way."""
    rows = [row for row in itertools.product((0, 1), repeat=candidates) if sum(row)]
    sizes = range(limits.smallest, (limits.largest or candidates) + 1)
    return [row for row in rows if sum(row) in sizes and all(row[position] for position in limits.must)]
