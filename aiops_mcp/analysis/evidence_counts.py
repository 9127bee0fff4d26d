"""How sure a difference is: of two counts, and of a value against a scatter known badly. Pure.

Dunning, "Accurate Methods for the Statistics of Surprise and Coincidence", Computational
Linguistics 19(1), 1993: the log-likelihood ratio of two binomials holds for the rare events that
logs and failures are, where a chi-squared test does not.
"""

import math
from typing import Final

USUAL_COMPARISONS: Final = 1000
"""Of so many comparisons one is about 3 deviations off by chance."""


def departure(before: float, of_before: float, after: float, of_after: float) -> float:
    """How sure it is that ``after`` of ``of_after`` is another share than it was before.

    The root of the log-likelihood ratio, which counts like standard deviations: 3 could be chance
    among hundreds of comparisons, 10 is clear. Positive where the share rose, negative where it
    fell, 0 where one side has seen nothing.
    """
    if of_before <= 0 or of_after <= 0:
        return 0.0
    total, share = of_before + of_after, (before + after) / (of_before + of_after)
    cells = (
        (before, of_before * share),
        (of_before - before, of_before * (1 - share)),
        (after, of_after * share),
        (of_after - after, of_after * (1 - share)),
    )
    ratio = 2 * sum(seen * math.log(seen / expected) for seen, expected in cells if seen > 0)
    if ratio <= total * 1e-12:  # rounding
        return 0.0
    return math.copysign(math.sqrt(ratio), after / of_after - before / of_before)


def as_normal(deviations: float, freedom: float) -> float:
    """Deviations in a scatter that is itself known from few samples, as if it were well known.

    The deviations of a normal distribution that surprise as much (by the logarithm of the density,
    relative to its peak) as these do in Student's t distribution with ``freedom`` degrees.
    """
    surprise = (freedom + 1) / 2 * math.log1p(deviations * deviations / freedom)
    return math.copysign(math.sqrt(2 * surprise), deviations)


def among(deviations: float, comparisons: int) -> float:
    """What is left of them where they are the farthest of so many comparisons.

    As they would be among a thousand: in a larger system chance goes farther (the surprise of
    having looked more often, after Bonferroni, is taken off).
    """
    excess = 2 * math.log(max(comparisons, USUAL_COMPARISONS) / USUAL_COMPARISONS)
    return math.copysign(math.sqrt(max(deviations * deviations - excess, 0.0)), deviations)
