import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muse.rollouts.compare import (
    ComparisonError,
    compare,
    episodes_needed,
    mcnemar_p_value,
    mean_interval,
    paired_interval,
    student_quantile,
)
from muse.rollouts.evaluation import EpisodeRecord, Evaluation, wilson_interval
from muse.utils.seeding import episode_seeds


def evaluation(successes, returns=None, seed=0, reduce_returns="sum"):
    seeds = episode_seeds(seed, len(successes))
    returns = [float(success) for success in successes] if returns is None else returns
    records = [EpisodeRecord(i, seeds[i], bool(successes[i]), 5, returns[i], False) for i in range(len(successes))]
    return Evaluation(tuple(records), seed, reduce_returns)


def from_cells(both, only_a, only_b, neither):
    a = [1] * both + [1] * only_a + [0] * only_b + [0] * neither
    b = [1] * both + [0] * only_a + [1] * only_b + [0] * neither
    return evaluation(a), evaluation(b)


def test_the_interval_is_that_of_newcombe():
    # Newcombe (1998) 2635-2650, the example of 50 pairs with cells 36, 12, 2, 0: 0.0569 to 0.3404 by method 10.
    assert paired_interval(36, 2, 12, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_interval_holds_the_difference_and_mirrors(both, only_a, only_b, neither):
    n = both + only_a + only_b + neither
    if n == 0:
        return
    low, high = paired_interval(both, only_a, only_b, neither)
    assert -1 - 1e-9 <= low <= (only_b - only_a) / n <= high <= 1 + 1e-9
    assert paired_interval(both, only_b, only_a, neither) == pytest.approx((-high, -low), abs=1e-12)
    assert paired_interval(neither, only_b, only_a, both) == pytest.approx((-high, -low), abs=1e-12), (
        "failures instead of successes"
    )


def test_without_correlation_it_is_the_interval_of_independent_shares():
    # Newcombe's method 10 of the companion paper on unpaired shares, where phi is 0: 25 = 50 * 50 / 100 in each cell.
    (low, high), share = wilson_interval(50, 100), 0.5
    half = math.hypot(share - low, high - share)
    assert paired_interval(25, 25, 25, 25) == pytest.approx((-half, half))


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for cells in ((0.5, 0.1, 0.25, 0.15), (0.85, 0.05, 0.08, 0.02), (0.05, 0.1, 0.6, 0.25)):
        truth = cells[2] - cells[1]
        draws = rng.multinomial(60, cells, size=3000)
        covered = np.mean([low <= truth <= high for low, high in (paired_interval(*map(int, draw)) for draw in draws)])
        assert 0.93 < covered < 0.99, (cells, covered)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (3, 9), (7, 7), (12, 1), (0, 30)])
def test_mcnemar_adds_up_every_outcome_as_unlikely(only_a, only_b):
    n = only_a + only_b
    chances = np.ones(1)
    for _ in range(n):
        chances = np.convolve(chances, [0.5, 0.5])
    expected = chances[chances <= chances[only_a] * (1 + 1e-9)].sum()
    assert mcnemar_p_value(only_a, only_b) == pytest.approx(expected)
    assert mcnemar_p_value(only_a, only_b) == mcnemar_p_value(only_b, only_a)


# Table of Student's t, two-sided 95%.
@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (9, 2.26216), (29, 2.04523), (99, 1.98422), (10**6, 1.95997)]
)
def test_student_quantile_is_that_of_the_tables(freedom, value):
    assert student_quantile(0.975, freedom) == pytest.approx(value, rel=1e-5)


def test_mean_interval_by_hand():
    # Mean 2, standard deviation 1 of three values: half width 4.30265 / sqrt(3).
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-5)


def test_so_many_episodes_do_show_the_difference():
    """With as many pairs as asked for, McNemar's test finds the difference about 80% of the time."""
    only_a, only_b = 0.1, 0.25
    n = episodes_needed(only_a + only_b, only_b - only_a)
    rng = np.random.default_rng(1)
    found = []
    for _ in range(2000):
        a, b = rng.multinomial(n, [only_a, only_b, 1 - only_a - only_b])[:2]
        found.append((b - a) / math.sqrt(max(a + b, 1)) > 1.96)
    assert 0.75 < np.mean(found) < 0.85


def test_a_clear_difference_is_settled():
    a, b = from_cells(40, 2, 30, 28)
    comparison = compare(a, b)
    assert (comparison.both, comparison.only_a, comparison.only_b, comparison.neither) == (40, 2, 30, 28)
    assert (comparison.success_a, comparison.success_b) == (0.42, 0.70) and comparison.difference == pytest.approx(0.28)
    assert 0 < comparison.low < 0.28 < comparison.high and comparison.p_value < 1e-5
    assert comparison.episodes_more == 0
    assert comparison.describe() == (
        "success A 42.0%, B 70.0% on 100 common episodes\n"
        f"B - A: +28.0 points [{100 * comparison.low:+.1f}, {100 * comparison.high:+.1f}], "
        f"p = {comparison.p_value:.3g} (only A solved 2, only B 30)\n"
        f"return, B - A: +0.28 [{comparison.return_low:+.4g}, {comparison.return_high:+.4g}]\n"
        "settled: the interval leaves out 0"
    )


def test_a_small_difference_asks_for_more_episodes():
    a, b = from_cells(40, 5, 8, 47)
    comparison = compare(a, b)
    assert comparison.low < 0 < comparison.high
    assert comparison.episodes_more == episodes_needed(0.13, 0.03) - 100
    assert comparison.describe().endswith(
        f"open: about {comparison.episodes_more} more episodes would settle a difference of this size"
    )


def test_no_difference_cannot_be_settled():
    comparison = compare(*from_cells(10, 3, 3, 4))
    assert comparison.episodes_more is None and comparison.p_value == 1.0
    assert comparison.describe().endswith("open: no difference was seen")


def test_swapping_the_sides_turns_the_signs():
    one, other = compare(*from_cells(20, 4, 9, 17)), compare(*from_cells(20, 9, 4, 17))
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    assert one.return_difference == pytest.approx(-other.return_difference)


def test_returns_are_compared_in_pairs():
    a = evaluation([1, 1, 0, 1], [1.0, 5.0, 9.0, 2.0])
    b = evaluation([1, 1, 0, 1], [2.0, 6.5, 10.0, 2.5])
    comparison = compare(a, b)
    assert comparison.return_difference == pytest.approx(1.0)
    assert (comparison.return_low, comparison.return_high) == pytest.approx(mean_interval([1.0, 1.5, 1.0, 0.5]))


def test_without_returns_only_success_is_compared():
    comparison = compare(evaluation([1, 0], [None, None]), evaluation([1, 1], [None, 3.0]))
    assert comparison.return_difference is None
    assert "return" not in comparison.describe()


def test_episodes_are_paired_by_their_seeds_whatever_the_order():
    a, b = evaluation([1, 0, 0, 1]), evaluation([1, 1, 0])
    shuffled = Evaluation(b.records[::-1], b.seed)
    comparison = compare(a, shuffled)
    assert comparison == compare(a, b)
    assert (comparison.both, comparison.only_b, comparison.neither, comparison.left_out) == (1, 1, 1, 1)
    assert comparison.describe().endswith("left out: 1 episodes that only one of them has")


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (evaluation([1], seed=0), evaluation([1], seed=1),
         "compare: no common episode (seeds 0 and 1); expected evaluations of one seed\n  try: evaluate both with the same seed"),
        (evaluation([1]), evaluation([1], reduce_returns="max"), "compare: returns by 'sum' and by 'max'; expected the same reduction in both"),
        (evaluation([1]), Evaluation(evaluation([1]).records * 2, 0), "compare: B: 2 episodes with 1 seeds; expected a seed for each"),
    ],
)  # fmt: skip
def test_what_cannot_be_paired_is_said(a, b, message):
    with pytest.raises(ComparisonError) as error:
        compare(a, b)
    assert str(error.value) == message
