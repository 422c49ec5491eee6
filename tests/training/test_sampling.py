import pytest
import torch

from tagging.sources import CURATED, NOISY, TRUSTED
from tagging.training.sampling import SourcePools

POOLS = {
    CURATED: torch.tensor([0, 1, 2, 3, 4]),
    NOISY: torch.tensor([10, 11, 12, 13]),
    TRUSTED: torch.tensor([12, 13]),
}


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_sources_come_by_their_probability_and_clips_evenly(generator):
    pools = SourcePools(POOLS, {CURATED: 0.57, NOISY: 0.01, TRUSTED: 0.42})
    clips, sources = pools.draw(50_000, generator)
    shares = torch.bincount(sources, minlength=3) / 50_000
    assert (shares - torch.tensor([0.57, 0.01, 0.42])).abs().max() < 0.01
    for source, pool in POOLS.items():
        drawn = clips[sources == source]
        assert set(drawn.tolist()) == set(pool.tolist())
    curated = torch.bincount(clips[sources == CURATED])
    assert (curated / curated.sum() - 0.2).abs().max() < 0.01


def test_partners_share_the_source(generator):
    pools = SourcePools(POOLS, {CURATED: 0.4, NOISY: 0.3, TRUSTED: 0.3})
    clips, sources = pools.draw(5000, generator)
    partners = pools.partners(sources, generator)
    for source, pool in POOLS.items():
        own, other = clips[sources == source], partners[sources == source]
        assert set(other.tolist()) == set(pool.tolist())
        assert abs((own == other).float().mean() - 1 / len(pool)) < 0.05


def test_same_seed_same_draws():
    pools = SourcePools(POOLS, {CURATED: 0.5, NOISY: 0.5})
    first, second = (pools.draw(100, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_a_source_that_is_never_drawn_needs_no_clips(generator):
    pools = SourcePools({NOISY: torch.tensor([7])}, {CURATED: 0.0, NOISY: 1.0})
    clips, sources = pools.draw(10, generator)
    assert clips.tolist() == [7] * 10
    assert sources.tolist() == [NOISY] * 10
    assert pools.partners(sources, generator).tolist() == [7] * 10
    assert len(pools.partners(sources[:0], generator)) == 0


@pytest.mark.parametrize("pools", [{CURATED: POOLS[CURATED]}, {**POOLS, NOISY: torch.tensor([]).long()}])
def test_a_drawn_source_without_clips_is_refused(pools):
    with pytest.raises(ValueError, match=r"source 1 is drawn with 0\.5 but has no clips"):
        SourcePools(pools, {CURATED: 0.5, NOISY: 0.5})


@pytest.mark.parametrize("shares", [{CURATED: 0.5, NOISY: 0.4}, {CURATED: 1.5, NOISY: -0.5}])
def test_probabilities_that_do_not_sum_to_one_are_refused(shares):
    with pytest.raises(ValueError, match="must sum to 1"):
        SourcePools(POOLS, shares)
