"""Random walks through the model's world: longer than every interleaving can be, and with every fault there is."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .world import Step, World

__all__ = ["CALM", "KEYS", "KINDS", "mishaps", "walk"]

KINDS = "nnnncrxst"
"""Messages: plain ones, a commit in the middle, one that raises, one that raises after a commit, a secret, one for all."""
KEYS = (("k1",), ("k1", "k2"), ("k2", "k1"), ("k2",))
"""The keys that a process may have: the old one, both, the new one alone."""

CALM = (0.6, 0.8, 0.95)
"""How calm walks are: few steps between two faults, or many."""


def walk(seed: int, steps: int, calm: float) -> World:
    """Take so many steps, then let the world come to rest.

    Args:
        seed: of the choices.
        steps: how many.
        calm: the share of steps in which nothing goes wrong and no message is sent.

    Raises:
        Broken: the guarantee does not hold.
    """
    rng = random.Random(seed)
    world = World(tabs=2)
    for _ in range(steps):
        dice = rng.random()
        usual = world.steps()
        if dice < calm and usual:
            world.step(rng.choice(usual))
        elif dice < calm + (1 - calm) / 2:
            kind = "f" if rng.random() < 0.02 else rng.choice(KINDS)
            world.step(("send", rng.randrange(len(world.tabs)), kind))
        else:
            world.step(rng.choice(list(mishaps(world, rng))))
    world.settle()
    return world


def mishaps(world: World, rng: random.Random) -> Iterator[Step]:
    """Return one of each kind of thing that may go wrong now."""
    tab = rng.randrange(len(world.tabs))
    for name in ("silence", "sleep", "reload", "crash_tab"):
        yield (name, tab)
    if len(world.tabs) < 4:
        yield ("duplicate", tab)
    if world.wires:
        for name in ("cut", "renew", "hand_over", "overflow"):
            yield (name, rng.randrange(len(world.wires)))
    running = [process for process in world.processes if process.up]
    if running:
        process = rng.choice(running)
        yield ("crash", process.number)
        yield ("expire" if process.draining else "drain", process.number)
    yield ("start", rng.choice(KEYS), rng.choice([1, 2]))
    yield ("start", ("k2", "k1"), 2)
    if rng.random() < 0.3:
        yield ("wait", rng.choice([1.0, 61.0, 50_000.0, 100_000.0]))
