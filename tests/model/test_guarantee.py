"""The guarantee, attacked by Hypothesis: whatever goes wrong, in whatever order, nothing is lost and nothing doubled.

A deeper run: `pytest tests/model --hypothesis-profile=deep`. What fails is printed as a list of steps.
"""

from __future__ import annotations

import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from .walk import KINDS, mishaps
from .world import World


class Guarantee(RuleBasedStateMachine):
    """Tabs and servers, and everything that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(tabs=2)

    @rule(picks=st.lists(st.integers(0, 20), min_size=1, max_size=12))
    def go_on(self, picks: list[int]) -> None:
        """What is to happen happens, in some order."""
        for pick in picks:
            if steps := self.world.steps():
                self.world.step(steps[pick % len(steps)])

    go_on_again = go_on_for_long = go_on

    @rule(pick=st.integers(0, 3), kind=st.sampled_from(KINDS))
    def send(self, pick: int, kind: str) -> None:
        """A page sends a message."""
        self.world.step(("send", pick % len(self.world.tabs), kind))

    @rule(pick=st.integers(0, 3), sure=st.integers(0, 7))
    def finish(self, pick: int, sure: int) -> None:
        """A page sends the message on which its handler returns: now and then, since nothing comes after it."""
        if sure == 0:
            self.world.step(("send", pick % len(self.world.tabs), "f"))

    @rule(rng=st.randoms(use_true_random=False))
    def mishap(self, rng: random.Random) -> None:
        """Something goes wrong: with a page, a connection, a process, or the clock."""
        self.world.step(rng.choice(list(mishaps(self.world, rng))))

    def teardown(self) -> None:
        """The guarantee holds at the end."""
        self.world.settle()


Guarantee.TestCase.settings = settings(
    stateful_step_count=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
TestGuarantee = Guarantee.TestCase
