"""From the arrays of a pool to the blend that is chosen, with every selection that was compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tagging.ensemble.blend import Blend
from tagging.ensemble.enumeration import MOST_SUBSETS, Enumeration, enumerate_subsets
from tagging.ensemble.pairs import MOST_CANDIDATES
from tagging.ensemble.pool import Method, Pool
from tagging.ensemble.selection import Selection, rescored
from tagging.ensemble.subsets import Limits, count_subsets
from tagging.ensemble.weights import greedy, search_weights
from tagging.errors import UserError
from tagging.progress import Bar
from tagging.report.wording import count
from tagging.selection.settings import By, SelectionSettings


@dataclass(frozen=True)
class Choice:
    """The selections that were compared, by name, the name of the one chosen, and the enumerations by method.

    All scores are of float32 means (`rescored`), so that the screen, the page and the metrics show the number that
    anyone gets from the run's table. `by` cv compares the best of each method, nested the best of each method and size.
    """

    selections: Mapping[str, Selection]
    name: str
    enumerations: Mapping[Method, Enumeration] = field(default_factory=dict)

    @property
    def chosen(self) -> Selection:
        """The selection that is chosen."""
        return self.selections[self.name]

    @property
    def subsets(self) -> int:
        """The number of subsets that were scored."""
        return sum(found.subsets for found in self.enumerations.values())


def choose(pool: Pool, settings: SelectionSettings) -> Choice:
    """Choose a blend of a pool; UserError where the limits leave too many subsets, or none."""
    if settings.search == "greedy":
        found = {f"{method}, greedy": rescored(pool, greedy(pool, method)) for method in settings.methods}
        return Choice(found, _best(found, settings.by))
    _check_number(pool, settings)
    enumerations = {method: _enumerate(pool, method, limits) for method, limits in _limits(pool, settings).items()}
    best: dict[str, Selection] = {method: each.any_size for method, each in enumerations.items()}
    if settings.search == "weights":
        found = {f"{method}, weights": rescored(pool, search_weights(pool, one)) for method, one in best.items()}
    elif settings.by == "nested":
        found = best_by_size(enumerations)
    else:
        found = best
    return Choice(found, _best(found, settings.by), enumerations)


def _best(selections: Mapping[str, Selection], by: By) -> str:
    """Return the name of the selection with the highest score; the nested estimate of a winner is optimistic too."""
    return max(selections, key=lambda name: selections[name].nested if by == "nested" else selections[name].score)


def best_by_size(enumerations: Mapping[Method, Enumeration]) -> dict[str, Selection]:
    """Return the best subset of each method and size, by name."""
    return {
        f"{method}, size {size}": one
        for method, found in enumerations.items()
        for size, one in sorted(found.by_size.items())
    }


def _limits(pool: Pool, settings: SelectionSettings) -> dict[Method, Limits]:
    """Return the limits of each method: the mean of a run alone is the same by any, so only the first has size 1."""
    first, *others = settings.methods
    if settings.limits.sizes(len(pool))[-1] == 1:
        return {first: settings.limits}
    several = replace(settings.limits, smallest=max(2, settings.limits.smallest))
    return {first: settings.limits, **dict.fromkeys(others, several)}


def _enumerate(pool: Pool, method: Method, limits: Limits) -> Enumeration:
    with Bar(f"{method} means", "subset") as bar:

        def show(done: int, total: int, score: float, best: Blend) -> None:
            bar.reach(done, total)
            bar.note(f"best {score:.4f}: {count(len(best.members), 'member')}")

        found = enumerate_subsets(pool, method, limits, progress=show)
    by_size = {size: rescored(pool, one) for size, one in found.by_size.items()}
    return replace(found, by_size=by_size, any_size=rescored(pool, found.any_size))


def _check_number(pool: Pool, settings: SelectionSettings) -> None:
    limits = settings.limits
    other = "leave some out with --where or --runs, or take --search greedy"
    try:
        subsets = count_subsets(len(pool), limits)
    except ValueError:
        raise UserError(_no_subset(len(pool), limits)) from None
    if len(pool) > MOST_CANDIDATES:
        raise UserError(f"{len(pool)} candidates are more than the {MOST_CANDIDATES} that can be enumerated; {other}")
    if subsets > MOST_SUBSETS:
        size = max(1, len(limits.must))
        while count_subsets(len(pool), Limits(1, size + 1, limits.must)) <= MOST_SUBSETS:
            size += 1
        raise UserError(
            f"{len(pool)} candidates have {subsets:,} subsets; at most {MOST_SUBSETS:,} are enumerated",
            f"give --size 1..{size}, {other}",
        )


def _no_subset(candidates: int, limits: Limits) -> str:
    fewest, most = limits.smallest, limits.largest or candidates
    size = str(fewest) if fewest == most else f"{fewest}..{most}"
    must, least = len(limits.must), max(1, len(limits.must))
    held = f" that holds the {must} of --must" if must else ""
    return (
        f"--size {size}: of {count(candidates, 'candidate')} there is no subset of that size{held}; "
        f"give {least} to {candidates}, as --size {least}..{candidates}, or leave it out"
    )
