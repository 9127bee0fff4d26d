import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.analysis.evidence_counts import among, as_normal, departure


def test_a_share_that_is_as_before_is_no_departure():
    assert departure(10, 100, 20, 200) == 0.0
    assert departure(0, 100, 0, 50) == 0.0
    assert departure(5, 5, 7, 7) == 0.0


def test_known_values():
    # Fisher's tea: G of [[3, 1], [1, 3]] is 2.093
    assert departure(1, 4, 3, 4) == pytest.approx(math.sqrt(2.0930), abs=1e-3)
    assert departure(3, 4, 1, 4) == pytest.approx(-math.sqrt(2.0930), abs=1e-3)


def test_a_side_that_saw_nothing_says_nothing():
    assert departure(0, 0, 5, 5) == 0.0
    assert departure(5, 5, 0, 0) == 0.0


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 500), st.integers(1, 500))
def test_sides_may_be_swapped(before, after, of_before, of_after):
    before, after = min(before, of_before), min(after, of_after)
    one = departure(before, of_before, after, of_after)
    assert math.isfinite(one)
    assert one == pytest.approx(-departure(after, of_after, before, of_before), abs=1e-5)
    # what is no failure departs as far the other way
    assert one == pytest.approx(
        -departure(of_before - before, of_before, of_after - after, of_after), abs=1e-5
    )


def test_many_degrees_are_as_normal_and_few_are_worth_less():
    assert as_normal(5.0, 1e9) == pytest.approx(5.0, abs=1e-3)
    assert as_normal(-5.0, 8) == pytest.approx(-math.sqrt(9 * math.log(1 + 25 / 8)))
    assert as_normal(0.0, 3) == 0.0
    assert as_normal(5.0, 3) < as_normal(5.0, 8) < 5.0


def test_the_farthest_of_very_many_is_less_of_a_surprise():
    assert among(4.0, 10) == among(4.0, 1000) == 4.0
    assert among(4.0, 100_000) == pytest.approx(math.sqrt(16 - 2 * math.log(100)))
    assert among(-4.0, 100_000) == -among(4.0, 100_000)
    assert among(2.0, 100_000) == 0.0
