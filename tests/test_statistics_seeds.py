"""The spread over seeds, and what of an effect it explains."""

import itertools

import numpy as np
import pytest
import scipy.stats

from msaseg.statistics import rank_correlation, seed_noise_bound, seed_spread


def test_spread_over_seeds_equals_the_loop_over_deviations():
    rows = [[70.1, 71.3, 69.9], [55.0], [61.2, 64.0]]
    squares = [(value - sum(row) / len(row)) ** 2 for row in rows for value in row]
    spread = seed_spread(rows)
    assert spread.df == 3
    assert spread.sd == pytest.approx((sum(squares) / 3) ** 0.5)


def test_spread_when_no_row_has_two_seeds_is_none():
    assert seed_spread([[70.0], [], [60.0]]) is None


def test_bound_of_seed_noise_is_passed_by_5_of_100_differences_without_an_effect():
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(4000):
        spread = seed_spread(rng.normal(0, 2, (3, 3)).tolist())
        apart = rng.normal(0, 2, 1).mean() - rng.normal(0, 2, 3).mean()
        passed += abs(apart) > seed_noise_bound(spread, [1, -1 / 3, -1 / 3, -1 / 3])
    assert 0.04 < passed / 4000 < 0.06


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_equals_scipys(seed):
    kendalltau = scipy.stats.kendalltau
    a, b = np.random.default_rng(seed).permutation(18).reshape(2, 9)
    expected = kendalltau(a, b, method="exact")
    assert rank_correlation(a.tolist(), b.tolist()) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.parametrize(("a", "b"), [([1, 1, 2], [1, 2, 3]), ([1, 1, 2, 3, 4], [1, 2, 3, 4, 5])])
def test_p_of_a_rank_correlation_with_ties_is_never_below_that_of_all_orders(a, b):
    score = [rank_correlation(a, order).tau for order in itertools.permutations(b)]
    found = rank_correlation(a, b)
    assert found.p >= np.mean(np.abs(score) >= abs(found.tau) - 1e-9)


def test_rank_correlation_of_one_thing_is_refused():
    with pytest.raises(ValueError, match="two things"):
        rank_correlation([1.0], [2.0])
