"""Subsets of 20 candidates on data of FSDKaggle2019's shape: ours against scikit-learn one subset at a time.

python -m benchmarks.enumerate [--noise]
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
from sklearn.metrics import label_ranking_average_precision_score

from benchmarks.timing import best_of, use_one_core
from tagging.ensemble.candidates import scores
from tagging.ensemble.enumeration import Limits, enumerate_subsets
from tagging.ensemble.pairs import fixed_point, undecided_pairs
from tagging.ensemble.pool import Pool
from tagging.ensemble.scoring import Scorer
from tagging.ensemble.subsets import Plan, members_of, plan

CANDIDATES, CLIPS, CLASSES, LABELS, FOLDS = 20, 4970, 80, 5752, 5
PROBED, BY_SCIKIT_LEARN = 2**14, 2


def main() -> None:
    """Print subsets a second of both on one core, their ratio and difference, and the time for all on two cores."""
    use_one_core()
    pool = _pool(noise="--noise" in sys.argv[1:])
    of_all, undecided = LABELS * (CLASSES - 1), undecided_pairs(pool, "geometric").difference.shape[1]
    print(f"{CANDIDATES} candidates of {scores(pool).min():.4f} to {scores(pool).max():.4f} lwlrap,", end=" ")
    print(f"{undecided:,} of {of_all:,} pairs undecided")
    _against_scikit_learn(pool)
    _all_of_them(pool)


def _against_scikit_learn(pool: Pool) -> None:
    scorer, fixed = Scorer(pool, "geometric"), fixed_point(pool, "geometric").astype(np.int64)
    some: Plan = list(plan(CANDIDATES, Limits()).chunks(PROBED))[20]
    rows = members_of(some.masks(), CANDIDATES)[:BY_SCIKIT_LEARN]

    def reference() -> list[float]:
        return [_scikit_learn(pool.truth, fixed[row].sum(axis=0)) for row in rows]

    ours = scorer.subset_sums(some)[:, :BY_SCIKIT_LEARN].T
    difference = max(abs(scorer.lwlrap(a) - b) for a, b in zip(ours, reference(), strict=True))
    slow, fast = best_of(3, reference, lambda: scorer.subset_sums(some))
    slow, fast = BY_SCIKIT_LEARN / slow, len(some.masks()) / fast
    print(f"scikit-learn {slow:.2f} subsets/s   ours {fast:,.0f} subsets/s   one core each")
    print(f"ratio        {fast / slow:,.0f}   largest difference {difference:.1e}")


def _all_of_them(pool: Pool) -> None:
    started, used = time.perf_counter(), time.process_time()
    found = enumerate_subsets(pool, "geometric", Limits(), threads=2)
    wall, used = time.perf_counter() - started, time.process_time() - used
    one, peak = found.any_size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{found.subsets:,} subsets on two cores: {wall:.1f} s ({used:.1f} s of processor time), at most {peak:.2f} GB"
    )
    print(f"best {one.score:.4f} with {len(one.blend.members)} members, nested estimate {one.nested:.4f}")


def _scikit_learn(truth: np.ndarray, sums: np.ndarray) -> float:
    return float(label_ranking_average_precision_score(truth, sums, sample_weight=truth.sum(axis=1)))


def _pool(noise: bool) -> Pool:
    """Candidates that share most of their errors, as networks of one family do; or, at worst, know nothing."""
    random = np.random.default_rng(0)
    truth = np.zeros((CLIPS, CLASSES), dtype=bool)
    truth[np.arange(CLIPS), random.integers(0, CLASSES, CLIPS)] = True
    second = random.choice(CLIPS, LABELS - CLIPS, replace=False)
    truth[second, (truth[second].argmax(axis=1) + random.integers(1, CLASSES, len(second))) % CLASSES] = True
    shared = random.normal(0, 1.6, truth.shape)
    skill = 0 if noise else 6.0
    given = [
        1 / (1 + np.exp(6 - skill * truth - (0 if noise else shared) - random.normal(0, 0.8, truth.shape)))
        for _ in range(CANDIDATES)
    ]
    return Pool([f"run {index}" for index in range(CANDIDATES)], given, truth, random.integers(0, FOLDS, CLIPS))


if __name__ == "__main__":
    main()
