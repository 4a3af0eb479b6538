"""The drain plan: everybody is told, at the rate where that fits, and in time."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core.drain import DrainPlan, plan_drain

counts = st.integers(0, 20_000)
timeouts = st.floats(0.05, 600)
rates = st.floats(0.1, 10_000)
TICK = 0.02


def told(plan: DrainPlan) -> list[int]:
    """Return how many are told up to and with each batch."""
    return list(accumulate(size for _, size in plan.batches))


@given(counts, timeouts, rates)
def test_every_view_is_told_once(count: int, timeout: float, rate: float) -> None:
    """The batches add up to the views, and none is negative."""
    plan = plan_drain(count, timeout=timeout, rate=rate)
    assert sum(size for _, size in plan.batches) == count
    assert all(size >= 0 for _, size in plan.batches)
    assert all(earlier < later for (earlier, _), (later, _) in pairwise(plan.batches))


@given(counts, timeouts, rates)
def test_all_within_half_the_deadline(count: int, timeout: float, rate: float) -> None:
    """The last view is told before half the deadline has passed, and some time is kept for closing."""
    plan = plan_drain(count, timeout=timeout, rate=rate)
    assert plan.batches[0][0] == 0
    assert plan.batches[-1][0] <= plan.deadline / 2
    assert 0 < plan.deadline < timeout
    assert timeout - plan.deadline <= 1


@given(counts, timeouts, rates)
def test_never_faster_than_the_rate(count: int, timeout: float, rate: float) -> None:
    """At no time have more views been told than the rate allows, unless half the deadline forces it."""
    plan = plan_drain(count, timeout=timeout, rate=rate)
    forced = count / (plan.deadline / 2)
    effective = max(rate, forced)
    for (offset, _), sum_told in zip(plan.batches, told(plan), strict=True):
        assert sum_told <= effective * (offset + TICK) * 1.000001 + 1


@given(counts, timeouts, rates)
def test_the_delay_fits_the_rate(count: int, timeout: float, rate: float) -> None:
    """Refused clients spread their next try over as long as all of them take at the rate, from 0.1 to 10 s."""
    delay = plan_drain(count, timeout=timeout, rate=rate).delay
    assert delay == pytest.approx(min(max(count / rate, 0.1), 10))


def test_five_thousand_views() -> None:
    """5,000 views at 500 a second do not fit half of 9 s, so they take exactly that, evenly."""
    plan = plan_drain(5000, timeout=10, rate=500)
    assert plan.deadline == 9
    assert len(plan.batches) == 225
    assert {size for _, size in plan.batches} == {22, 23}
    assert plan.delay == 10


def test_no_views() -> None:
    """Without views there is nothing to tell."""
    assert told(plan_drain(0, timeout=10, rate=500)) == [0]
