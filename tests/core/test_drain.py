"""The drain plan: everybody is told, at the rate where that fits, and in time; and a whole fleet holds the rate."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.roll import Roll, simulate
from quart_stash.core.drain import DrainPlan, plan_drain

counts = st.integers(0, 20_000)
timeouts = st.floats(0.05, 600)
rates = st.floats(0.1, 10_000)
TICK = 0.02
AIM = 0.9


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
    """At no time have more views been told than nine tenths of the rate allow, unless half the deadline forces it."""
    plan = plan_drain(count, timeout=timeout, rate=rate)
    forced = count / (plan.deadline / 2)
    effective = max(AIM * rate, forced)
    for (offset, _), sum_told in zip(plan.batches, told(plan), strict=True):
        assert sum_told <= effective * (offset + TICK) * 1.000001 + 1


@given(counts, timeouts, rates)
def test_time_ends_as_evenly_as_it_began(count: int, timeout: float, rate: float) -> None:
    """Each view has at least half the deadline; nobody's time ends before all are told, or after the deadline."""
    plan = plan_drain(count, timeout=timeout, rate=rate)
    last, _ = plan.batches[-1]
    assert plan.answer >= plan.deadline / 2
    assert plan.answer >= last
    assert last + plan.answer == pytest.approx(plan.deadline)


@given(counts, timeouts, rates)
def test_the_time_out_that_is_enough(count: int, timeout: float, rate: float) -> None:
    """With the time-out that the plan asks for, and with any longer one, all are told at the rate; with less they are not."""
    enough = plan_drain(count, timeout=timeout, rate=rate).enough
    for factor, holds in ((0.9, count == 0), (1.0001, True), (3, True)):
        plan = plan_drain(count, timeout=max(enough, 1e-9) * factor, rate=rate)
        assert (plan.deadline / 2 >= count / rate) is holds


@given(counts, timeouts, rates)
def test_the_delay_fits_the_rate(count: int, timeout: float, rate: float) -> None:
    """Refused clients try again, on average, after as long as telling all of them takes; within 0.1 to 60 s."""
    delay = plan_drain(count, timeout=timeout, rate=rate).delay
    assert delay == pytest.approx(min(max(2 * count / (AIM * rate), 0.1), 60))


def test_five_thousand_views() -> None:
    """5,000 views at 500 a second do not fit half of 9 s, so they take exactly that, evenly; 21 s would be enough."""
    plan = plan_drain(5000, timeout=10, rate=500)
    assert plan.deadline == 9
    assert plan.answer == pytest.approx(4.52)
    assert plan.enough == 21
    assert len(plan.batches) == 225
    assert {size for _, size in plan.batches} == {22, 23}
    assert plan.delay == pytest.approx(20 / AIM)


def test_no_views() -> None:
    """Without views there is nothing to tell."""
    assert told(plan_drain(0, timeout=10, rate=500)) == [0]


ROLL = Roll(clients=20_000, servers=20, rate=500, timeout=30, refused=0)


def test_a_fleet_that_is_rolled_holds_the_rate() -> None:
    """Over a whole roll, with clients that move twice and more, no second has more reconnects than the rate."""
    traffic = simulate(ROLL, 1)
    assert traffic.told > 1.5 * ROLL.clients
    assert 0.85 * ROLL.rate < traffic.busiest() <= ROLL.rate
    unpaced = simulate(replace(ROLL, paced=False), 1)
    assert max(unpaced.mounts.values()) > ROLL.clients / ROLL.servers


@pytest.mark.parametrize("stuck", [0.2, 1])
def test_those_who_do_not_answer_hold_the_rate_too(stuck: float) -> None:
    """Views whose time runs out come back as evenly as they were told, and not all at the deadline."""
    traffic = simulate(replace(ROLL, stuck=stuck, clients=5_000), 2)
    assert traffic.busiest() <= ROLL.rate


@pytest.mark.parametrize("refused", [0.05, 0.5])
def test_those_who_were_refused_come_on_top_of_nobody(refused: float) -> None:
    """However many attempts are refused, no more clients are mounted in a second than the rate, but for chance."""
    traffic = simulate(replace(ROLL, refused=refused), 3)
    assert sum(traffic.refusals.values()) > refused * ROLL.clients
    assert traffic.busiest() <= 1.1 * ROLL.rate


@pytest.mark.parametrize("down", [15, 40])
def test_a_restart_in_place_holds_the_rate(down: float) -> None:
    """A lone process that takes nobody for a while gets its clients back at the rate, but for chance, when it is there."""
    traffic = simulate(Roll(clients=5_000, servers=1, rate=500, timeout=30, refused=0, down=down), 4)
    assert sum(traffic.mounts.values()) == 5_000
    assert traffic.busiest() <= 1.1 * 500
