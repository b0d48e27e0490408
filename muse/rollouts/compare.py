"""Is B better than A? Two evaluations on the same seeds, episode by episode.

    comparison = compare(load_evaluation(a), load_evaluation(b))
    comparison.difference, comparison.low, comparison.high      # success of B minus success of A, with its 95% interval
    print(comparison.describe())

Pairing removes what the initial states add to the noise: the episodes that both solve, or both fail, say nothing of the
difference but that it is small.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from muse.rollouts.evaluation import Evaluation, wilson_interval
from muse.utils.errors import MuseError


class ComparisonError(MuseError):
    """Evaluations that cannot be paired."""


@dataclass(frozen=True)
class Comparison:
    """How the evaluation B differs from A on the episodes that both have.

    Attributes:
        episodes: Number of pairs.
        both, only_a, only_b, neither: How many of them A and B solved.
        low, high: 95% interval of the difference of the success rates, B minus A.
        p_value: McNemar's exact test of no difference, two-sided.
        return_difference: Mean difference of the returns; None without rewards.
        return_low, return_high: Its 95% interval; None with fewer than two pairs.
        episodes_more: How many more pairs would show the difference, were it what was observed (see `episodes_needed`);
            0 when the interval leaves out 0 already, None when no difference was seen.
        left_out: Episodes that only one of the two has.
        crashed_a, crashed_b: Pairs in which the env failed; they count as not solved there.
    """

    episodes: int
    both: int
    only_a: int
    only_b: int
    neither: int
    low: float
    high: float
    p_value: float
    return_difference: float | None
    return_low: float | None
    return_high: float | None
    episodes_more: int | None
    left_out: int
    crashed_a: int = 0
    crashed_b: int = 0

    @property
    def success_a(self) -> float:
        """Success rate of A on the pairs."""
        return (self.both + self.only_a) / self.episodes

    @property
    def success_b(self) -> float:
        """Success rate of B on the pairs."""
        return (self.both + self.only_b) / self.episodes

    @property
    def difference(self) -> float:
        """Success rate of B minus that of A."""
        return (self.only_b - self.only_a) / self.episodes

    def describe(self) -> str:
        """Returns the comparison as a few lines of plain text."""
        lines = [
            f"success A {100 * self.success_a:.1f}%, B {100 * self.success_b:.1f}% on {self.episodes} common episodes",
            f"B - A: {100 * self.difference:+.1f} points [{100 * self.low:+.1f}, {100 * self.high:+.1f}], "
            f"p = {self.p_value:.3g} (only A solved {self.only_a}, only B {self.only_b})",
        ]
        if self.return_difference is not None:
            interval = "" if self.return_low is None else f" [{self.return_low:+.4g}, {self.return_high:+.4g}]"
            lines.append(f"return, B - A: {self.return_difference:+.4g}{interval}")
        if self.episodes_more == 0:
            lines.append("settled: the interval leaves out 0")
        elif self.episodes_more is None:
            lines.append("open: no difference was seen")
        else:
            lines.append(f"open: about {self.episodes_more} more episodes would settle a difference of this size")
        if self.crashed_a or self.crashed_b:
            lines.append(f"crashed: {self.crashed_a} episodes of A, {self.crashed_b} of B, which count as not solved")
        if self.left_out:
            lines.append(f"left out: {self.left_out} episodes that only one of them has")
        return "\n".join(lines)


def compare(a: Evaluation, b: Evaluation) -> Comparison:
    """Pairs two evaluations by the seeds of their episodes.

    Raises:
        ComparisonError: When a seed occurs twice, the returns were reduced in different ways, or no seed is in both.
    """
    by_seed = [{record.seed: record for record in evaluation.records} for evaluation in (a, b)]
    for name, evaluation, records in zip("AB", (a, b), by_seed, strict=True):
        if len(records) != evaluation.episodes:
            raise ComparisonError(
                f"compare: {name}", f"{evaluation.episodes} episodes with {len(records)} seeds", "a seed for each"
            )
    if a.reduce_returns != b.reduce_returns:
        raise ComparisonError(
            "compare", f"returns by '{a.reduce_returns}' and by '{b.reduce_returns}'", "the same reduction in both"
        )
    seeds = [seed for seed in by_seed[0] if seed in by_seed[1]]
    if not seeds:
        raise ComparisonError(
            "compare",
            f"no common episode (seeds {a.seed} and {b.seed})",
            "evaluations of one seed",
            "evaluate both with the same seed",
        )
    pairs = [(by_seed[0][seed], by_seed[1][seed]) for seed in seeds]
    solved = Counter((one.success, two.success) for one, two in pairs)
    cells = (solved[True, True], solved[True, False], solved[False, True], solved[False, False])
    low, high = paired_interval(*cells)
    returns = [two.returns - one.returns for one, two in pairs if one.returns is not None and two.returns is not None]
    return_low, return_high = mean_interval(returns) if len(returns) > 1 else (None, None)
    return Comparison(
        episodes=len(pairs), both=cells[0], only_a=cells[1], only_b=cells[2], neither=cells[3],
        low=low, high=high, p_value=mcnemar_p_value(cells[1], cells[2]),
        return_difference=float(np.mean(returns)) if returns else None, return_low=return_low, return_high=return_high,
        episodes_more=_episodes_more(cells, low, high), left_out=a.episodes + b.episodes - 2 * len(pairs),
        crashed_a=sum(bool(one.error) for one, _ in pairs), crashed_b=sum(bool(two.error) for _, two in pairs),
    )  # fmt: skip


def paired_interval(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Returns the 95% interval of the difference of two paired shares, B minus A.

    Method 10 of R. G. Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired
    data, Statistics in Medicine 17 (1998) 2635-2650: the Wilson intervals of the two shares, joined by their correlation.
    """
    n = both + only_a + only_b + neither
    share_a, share_b = (both + only_a) / n, (both + only_b) / n
    (low_a, high_a), (low_b, high_b) = wilson_interval(both + only_a, n), wilson_interval(both + only_b, n)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    product = both * neither - only_a * only_b
    corrected = max(product - n / 2, 0.0) if product > 0 else float(product)
    phi = corrected / math.sqrt(margins) if margins else 0.0
    down = (share_b - low_b) ** 2 - 2 * phi * (share_b - low_b) * (high_a - share_a) + (high_a - share_a) ** 2
    up = (high_b - share_b) ** 2 - 2 * phi * (high_b - share_b) * (share_a - low_a) + (share_a - low_a) ** 2
    difference = share_b - share_a
    return difference - math.sqrt(max(down, 0.0)), difference + math.sqrt(max(up, 0.0))


def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """Returns the exact two-sided p-value of McNemar's test: that the pairs which differ favour either side alike.

    Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947) 153-157;
    here with the binomial distribution itself instead of its normal approximation.
    """
    n = only_a + only_b
    tail = sum(math.comb(n, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**n)


def episodes_needed(share_differing: float, difference: float, power: float = 0.8, level: float = 0.05) -> int:
    """Returns how many pairs show a difference with probability `power` in a test at `level`.

    R. J. Connor, Sample size for testing differences in proportions for the paired-sample design, Biometrics 43 (1987) 207-211.

    Args:
        share_differing: Share of pairs that one side solves and the other does not.
        difference: Difference of the success rates, not 0.
    """
    z_level, z_power = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(power)
    spread = math.sqrt(max(share_differing - difference**2, 0.0))
    return math.ceil(((z_level * math.sqrt(share_differing) + z_power * spread) / difference) ** 2)


def _episodes_more(cells: tuple[int, int, int, int], low: float, high: float) -> int | None:
    n, differing, difference = sum(cells), cells[1] + cells[2], cells[2] - cells[1]
    if low > 0 or high < 0:
        return 0
    if difference == 0:
        return None
    return max(1, episodes_needed(differing / n, difference / n) - n)


def mean_interval(values: list[float]) -> tuple[float, float]:
    """Returns the 95% interval of a mean by Student's t, for at least two values."""
    array = np.asarray(values, dtype=np.float64)
    half = student_quantile(0.975, len(array) - 1) * float(array.std(ddof=1)) / math.sqrt(len(array))
    return float(array.mean()) - half, float(array.mean()) + half


def student_quantile(share: float, freedom: int) -> float:
    """Returns the value that a `share` (above one half) of Student's t distribution lies below.

    With `t = sqrt(freedom) tan(angle)` the distribution function is an integral of a power of a cosine over a finite
    range, which is summed by Simpson's rule and inverted by bisection.
    """
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        grid = np.linspace(0.0, middle, 2001)
        weights = np.r_[1.0, np.tile([4.0, 2.0], 999), 4.0, 1.0] * (middle / 2000 / 3)
        below = 0.5 + scale * float(weights @ np.cos(grid) ** (freedom - 1))
        low, high = (middle, high) if below < share else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)
