"""From the arrays of a pool to the blend that is taken, and all that was found on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from tagging.ensemble.blend import Blend
from tagging.ensemble.coordinate import search_weights
from tagging.ensemble.enumeration import MOST_SUBSETS, Enumeration, enumerate_subsets, estimate
from tagging.ensemble.greedy import greedy
from tagging.ensemble.pairs import MOST_CANDIDATES
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.selection import Selection, best_by_nested, best_by_score
from tagging.ensemble.subsets import Limits, count_subsets
from tagging.ensemble.written import rescored
from tagging.errors import UserError
from tagging.progress import Bar
from tagging.report.wording import count, duration
from tagging.selection.settings import By, SelectionSettings


@dataclass(frozen=True)
class Choice:
    """What was found: `ways` of choosing by name, the one taken, and the enumerations that were run, by method.

    Scores are those of the blends as they are written, so that the screen, the page and the metrics show one number,
    the one that anyone gets from the run's table. With `by` cv a way is a method, the best of all sizes; with nested
    each size is a way of its own.
    """

    ways: Mapping[str, Selection]
    key: str
    enumerations: Mapping[Method, Enumeration] = field(default_factory=dict)

    @property
    def taken(self) -> Selection:
        """The selection that is taken."""
        return self.ways[self.key]

    @property
    def looked_at(self) -> int:
        """The number of subsets that were scored."""
        return sum(found.subsets for found in self.enumerations.values())

    @property
    def by_size(self) -> dict[str, Selection]:
        """The best subset of each size and method, by name."""
        return {name: one for found in self.enumerations.values() for name, one in _sizes(found).items()}


def choose(pool: Pool, settings: SelectionSettings) -> Choice:
    """Choose a blend of a pool as wished; UserError where there are too many subsets to look at, or none."""
    if settings.search == "greedy":
        ways = {f"{method}, greedy": _greedy(pool, method) for method in settings.methods}
        return Choice(ways, _best(ways, settings.by))
    _check_number(pool, settings)
    found = {method: _enumerate(pool, method, limits) for method, limits in _by_method(pool, settings).items()}
    if settings.search == "weights":
        ways = {f"{method}, weights": _weights(pool, each) for method, each in found.items()}
    elif settings.by == "nested":
        ways = {name: one for each in found.values() for name, one in _sizes(each).items()}
    else:
        ways = {method: each.any_size for method, each in found.items()}
    return Choice(ways, _best(ways, settings.by), found)


def _by_method(pool: Pool, settings: SelectionSettings) -> dict[Method, Limits]:
    """Return what is gone through by each mean: a run alone is the same by any, and looked at by the first."""
    first, *others = settings.methods
    several = replace(settings.limits, smallest=max(2, settings.limits.smallest))
    alone = settings.limits.sizes(len(pool))[-1] == 1
    return {first: settings.limits} if alone else {first: settings.limits, **dict.fromkeys(others, several)}


def _sizes(found: Enumeration) -> dict[str, Selection]:
    return {f"{found.method}, size {size}": one for size, one in sorted(found.by_size.items())}


def _best(ways: Mapping[str, Selection], by: By) -> str:
    return best_by_nested(ways) if by == "nested" else best_by_score(ways)


def _greedy(pool: Pool, method: Method) -> Selection:
    return rescored(pool, greedy(pool, method, threads=torch.get_num_threads(), device=_device()))


def _weights(pool: Pool, found: Enumeration) -> Selection:
    chosen = search_weights(pool, found.any_size, threads=torch.get_num_threads(), device=_device())
    return rescored(pool, chosen)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _enumerate(pool: Pool, method: Method, limits: Limits) -> Enumeration:
    with Bar(f"{method} means", "subset") as bar:

        def show(done: int, total: int, score: float, best: Blend) -> None:
            bar.reach(done, total)
            bar.note(f"best {score:.4f}: {count(len(best.members), 'member')}")

        found = enumerate_subsets(
            pool, method, limits, progress=show, threads=torch.get_num_threads(), device=_device()
        )
    by_size = {size: rescored(pool, one) for size, one in found.by_size.items()}
    return replace(found, by_size=by_size, any_size=rescored(pool, found.any_size))


def _check_number(pool: Pool, settings: SelectionSettings) -> None:
    try:
        subsets = count_subsets(len(pool), settings.limits)
    except ValueError:
        raise UserError(_no_subset(len(pool), settings.limits)) from None
    if len(pool) > MOST_CANDIDATES:
        raise UserError(
            f"{len(pool)} candidates are more than the {MOST_CANDIDATES} whose subsets are looked at; "
            "leave some out with --where or --runs, or take --search greedy"
        )
    if subsets <= MOST_SUBSETS:
        return
    guess = estimate(pool, settings.methods[0], settings.limits, threads=torch.get_num_threads(), device=_device())
    seconds = guess.seconds * len(settings.methods)
    raise UserError(
        f"{len(pool)} candidates have {subsets:,} subsets, which would take {duration(seconds)} here; "
        f"at most {MOST_SUBSETS:,} are looked at",
        f"{_advice(len(pool), settings.limits)}, leave some out with --where or --runs, or take --search greedy",
    )


def _no_subset(candidates: int, limits: Limits) -> str:
    """Say which sizes there are where those asked for are not."""
    fewest, most = limits.smallest, limits.largest or candidates
    size = str(fewest) if fewest == most else f"{fewest}..{most}"
    must, least = len(limits.must), max(1, len(limits.must))
    held = f" that holds the {must} of --must" if must else ""
    return (
        f"--size {size}: of {count(candidates, 'candidate')} there is no subset of that size{held}; "
        f"give {least} to {candidates}, as --size {least}..{candidates}, or leave it out"
    )


def _advice(candidates: int, limits: Limits) -> str:
    """Return the largest size that is not too much."""
    size = max(1, len(limits.must))
    while count_subsets(candidates, Limits(1, size + 1, limits.must)) <= MOST_SUBSETS:
        size += 1
    return f"give --size 1..{size}"
