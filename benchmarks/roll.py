"""A fleet that is rolled, in virtual time: every server drains by the library's own plan, every client moves on.

Servers leave one after the other (or several at once), each with a successor that is ready before. A client that
is told goes to some other server, which may not be rolled yet, so that many move twice or more. Some are refused,
and come back with the client's back-off; some never answer, and come when their time is up.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from quart_stash.core.backoff import Backoff
from quart_stash.core.drain import DrainPlan, plan_drain

TICK = 0.02
"""Seconds."""

Due = dict[int, list[tuple[int, float, Backoff | None]]]
"""Tick → those who try then: when they tried first, the delay in ms that they were given, their failures."""


@dataclass(frozen=True)
class Roll:
    """What is rolled, and how.

    Attributes:
        clients: over the whole fleet, evenly at first.
        servers: in the fleet.
        rate: `STASH_RECONNECT_RATE`.
        timeout: `STASH_SHUTDOWN_TIMEOUT`, seconds.
        at_once: servers that leave at the same time.
        pause: seconds between the end of one drain and the begin of the next.
        refused: share of the attempts that are refused.
        stuck: share of the views that do not answer in time.
        down: seconds from the begin of a drain in which nobody is taken: a restart in place.
        paced: whether the plan is kept to; else everybody is told at once.
    """

    clients: int
    servers: int
    rate: float
    timeout: float
    at_once: int = 1
    pause: float = 5.0
    refused: float = 0.05
    stuck: float = 0.0
    down: float = 0.0
    paced: bool = True


@dataclass
class Traffic:
    """What the fleet saw.

    Attributes:
        mounts: how many clients were mounted in each tick.
        refusals: how many were refused in each tick.
        told: how many times a client was told to move.
        waits: seconds that those who were refused had to wait until they were mounted.
    """

    mounts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    refusals: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    told: int = 0
    waits: list[float] = field(default_factory=list)

    def per_second(self) -> list[int]:
        """Return the mounts of each second."""
        seconds = [0] * (round(max(self.mounts) * TICK) + 1)
        for tick, count in self.mounts.items():
            seconds[int(tick * TICK)] += count
        return seconds

    def busiest(self) -> int:
        """Return the most mounts within any second, wherever it begins."""
        ticks, window = round(1 / TICK), 0
        best = 0
        for tick in range(max(self.mounts) + 1):
            window += self.mounts.get(tick, 0) - self.mounts.get(tick - ticks, 0)
            best = max(best, window)
        return best


def simulate(roll: Roll, seed: int, *, plan: Callable[..., DrainPlan] = plan_drain) -> Traffic:
    """Roll the whole fleet, until every client is mounted somewhere."""
    rng = random.Random(seed)
    on = [roll.clients // roll.servers] * roll.servers
    traffic = Traffic()
    due: Due = defaultdict(list)
    tick, waiting = 0, list(range(0, roll.servers, roll.at_once))
    next_start = up = 0
    leaving: range = range(0)
    while waiting or due:
        if waiting and tick >= next_start:
            first = waiting.pop(0)
            up = tick + round(roll.down / TICK)
            leaving = range(first, min(first + roll.at_once, roll.servers))
            for server in leaving:
                views, on[server] = on[server], 0
                traffic.told += views
                ends = _tell(roll, plan(views, timeout=roll.timeout, rate=roll.rate), views, tick, due, rng)
                next_start = max(next_start, ends)
        for start, delay, failed in due.pop(tick, ()):
            if tick < up or rng.random() < roll.refused:
                traffic.refusals[tick] += 1
                backoff = failed or Backoff(rng.random)
                due[tick + max(1, round(backoff.next(delay) / 1000 / TICK))].append((start, delay, backoff))
                continue
            server = rng.randrange(roll.servers)
            while server in leaving and not roll.down:
                server = rng.randrange(roll.servers)
            on[server] += 1
            traffic.mounts[tick] += 1
            if failed:
                traffic.waits.append((tick - start) * TICK)
        tick += 1
    if sum(on) != roll.clients // roll.servers * roll.servers:
        raise RuntimeError("a client is nowhere")
    return traffic


def _tell(
    roll: Roll,
    plan: DrainPlan,
    views: int,
    now: int,
    due: Due,
    rng: random.Random,
) -> int:
    """Tell the views of one server, and return the tick in which the next one may leave."""
    for offset, size in plan.batches if roll.paced else ((0.0, views),):
        for _ in range(size):
            late = plan.answer if rng.random() < roll.stuck else 0.0
            at = now + round((offset + late) / TICK)
            due[at].append((at, plan.delay * 1000, None))
    last = plan.batches[-1][0] if roll.paced else 0.0
    return now + round((last + (plan.answer if roll.stuck else 0.0) + roll.pause) / TICK)
