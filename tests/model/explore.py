"""Every interleaving, up to a depth: `python -m tests.model.explore [--deep] [--record FILE]`.

One tab, two processes, a few messages; so many faults, at every point; and otherwise every order in which frames arrive,
handlers work, tokens are sealed and sockets open. In each state the guarantee's invariants are checked, and wherever
nothing more can happen, the whole of it. Prints how many states were visited.

`--record` writes each distinct transition of the client's machine, for `js/replay.js` to compare with the script's.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import pickle
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

from quart_stash.core.client import State
from quart_stash.core.connection import State as Server

from .oracle import Broken
from .record import Recorder
from .walk import CALM, walk
from .world import Step, World

ALL = (
    "crash",
    "drain",
    "cut",
    "silence",
    "sleep",
    "reload",
    "crash_tab",
    "duplicate",
    "hand_over",
    "overflow",
)
SERVER = ("crash", "drain", "cut")


@dataclass(frozen=True)
class Scenario:
    """What may be done, and may still be done.

    Attributes:
        sends: the messages that are sent, by kind.
        faults: how many faults happen.
        of: the faults that there are.
        refusals: how many attempts to connect fail, or meet a process that is leaving.
        hears_retired: see `World`.
        tabs: how many there are; several are in one room, and live to begin with.
    """

    sends: str
    faults: int = 1
    of: tuple[str, ...] = ALL
    refusals: int = 1
    hears_retired: bool = False
    tabs: int = 1


ROOM = Scenario("t", of=("drain", "hand_over"), refusals=0, tabs=2)
"""Two views in one room, whose handlers tell each other what they were told."""

SCENARIOS = (
    *(Scenario(kind) for kind in "ncrxsf"),
    Scenario("nn", of=("crash", "cut"), refusals=0),
    Scenario("nn", of=("drain",), refusals=0),
    Scenario("nrn", of=("crash",), refusals=0),
    Scenario("n", 2, ("crash", "cut", "reload"), refusals=0),
    Scenario("n", 4, ("cut",), refusals=0),  # so often that the message is given up
)
DEEP = (
    ROOM,
    *(Scenario(kind, hears_retired=True) for kind in "ncrxsf"),
    Scenario("nn"),
    Scenario("n", 2),
    Scenario("nnn", of=SERVER),
    Scenario("cn", of=SERVER),
    Scenario("rn", of=SERVER),
    Scenario("nf", of=SERVER),
    Scenario("n", 3, SERVER),
)

WORK = ("up", "judge", "take", "work", "seal")

Path = tuple[Any, Step] | None
"""The steps that led to a state, the newest first: a path, and one more step."""


def choices(world: World, budget: Scenario) -> Iterator[tuple[Step, Scenario]]:
    """Return the steps that are worth a look, each with what may be done after it.

    What a server still does on a connection that its tab does not hear any more is independent of all else: it is done at
    once, in one order.
    """
    steps = world.steps()
    for step in steps:
        if step[0] in WORK and not world.wires[step[1]].heard:
            yield step, budget
            return
    for step in steps:
        if step[0] != "dial" or not (step[2] == 0 or world.processes[step[2] - 1].draining):
            yield step, budget
        elif budget.refusals:
            yield step, replace(budget, refusals=budget.refusals - 1)
    if budget.sends:
        for index in range(len(world.tabs)):
            yield ("send", index, budget.sends[0]), replace(budget, sends=budget.sends[1:])
    if budget.faults:
        after = replace(budget, faults=budget.faults - 1)
        for step in faults(world):
            if step[0] in budget.of:
                yield step, after


def faults(world: World) -> Iterator[Step]:
    """Return every fault that would change something."""
    for process in world.processes:
        if process.up and not process.draining:
            yield ("drain", process.number)
        if process.up and len([other for other in world.processes if other.up]) > 1:
            yield ("crash", process.number)
    for index, tab in enumerate(world.tabs):
        if tab.client.state is State.OVER:
            continue
        if tab.client.conn is not None:
            yield ("silence", index)
        yield ("sleep", index)
        yield ("reload", index)
        yield ("crash_tab", index)
        if len(world.tabs) < 2:
            yield ("duplicate", index)
    for index, wire in enumerate(world.wires):
        if wire.heard:
            yield ("cut", index)
        if not wire.end.ended and wire.process.up and not wire.process.draining:
            yield ("hand_over", index)
        machine = wire.end.machine
        if wire.heard and machine.state is Server.LIVE and machine.inbox and not machine.overflowing:
            yield ("overflow", index)


@dataclass
class Count:
    """What was explored."""

    states: int = 0
    transitions: int = 0
    ends: int = 0

    def __str__(self) -> str:
        return f"{self.states:,} states, {self.transitions:,} transitions, {self.ends:,} ends"


def explore(scenario: Scenario, limit: int) -> Count:
    """Visit every state that can be reached, each once.

    Raises:
        Broken: the guarantee does not hold; the text says after which steps.
    """
    world = World(scenario.tabs, hears_retired=scenario.hears_retired)
    world.step(("start", ("k1",), 1))
    if scenario.tabs > 1:
        world.rest(1)
    count = Count()
    seen: set[int] = set()
    stack: list[tuple[bytes, Scenario, Path]] = [(_pack(world), scenario, None)]
    while stack and count.states < limit:
        packed, budget, path = stack.pop()
        end = True
        for step, after in list(choices(pickle.loads(packed), budget)):
            end = False
            world = pickle.loads(packed)
            _try(world, step, path)
            packed_after = _pack(world)
            count.transitions += 1
            key = hash((world.key(), after))
            if key not in seen:
                seen.add(key)
                count.states += 1
                stack.append((packed_after, after, (path, step)))
        if end:
            count.ends += 1
            _try(pickle.loads(packed), None, path)
    return count


def _try(world: World, step: Step | None, path: Path) -> None:
    try:
        world.settle() if step is None else world.step(step)
    except Exception as error:
        steps = [str(step or "settle")]
        while path is not None:
            path, earlier = path
            steps.append(str(earlier))
        raise Broken("\n".join((f"{error}, after", *reversed(steps)))) from error


def _pack(world: World) -> bytes:
    world.prune()
    return pickle.dumps(world, pickle.HIGHEST_PROTOCOL)


def run(scenario: Scenario, limit: int, record: bool) -> tuple[Count, float, set[str]]:
    """Explore one scenario, in a process of its own."""
    recorder = Recorder()
    if record:
        World.recorder = staticmethod(recorder)
    begin = time.monotonic()
    count = explore(scenario, limit)
    return count, time.monotonic() - begin, recorder.lines


def record_walks(count: int) -> set[str]:
    """Return what the client's machine did on random walks, which see more kinds of faults."""
    recorder = Recorder()
    World.recorder = staticmethod(recorder)
    for seed in range(count):
        walk(seed, 150, CALM[seed % len(CALM)])
    return recorder.lines


def main() -> int:
    """Explore, and say how far it went. Without `--deep`, a scenario that is cut short has not been explored."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deep", action="store_true", help="some million states more")
    parser.add_argument("--limit", type=int, default=1_000_000, help="states of one scenario")
    parser.add_argument("--record", type=pathlib.Path)
    options = parser.parse_args()
    total, lines, cut = 0, set[str](), False
    scenarios = SCENARIOS + (DEEP if options.deep else ())
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        work = {pool.submit(run, one, options.limit, bool(options.record)): one for one in scenarios}
        for done in as_completed(work):
            scenario = work[done]
            name = f"messages {scenario.sends}, {scenario.faults} of {len(scenario.of)} faults"
            try:
                count, seconds, seen = done.result()
            except Broken as error:
                print(f"{name}: {error}")
                return 1
            total += count.states
            cut = cut or count.states >= options.limit
            lines |= seen
            print(f"{name}: {count}, {seconds:.1f} s", flush=True)
    print(f"{total:,} states visited{', not all that there are' if cut else ''}; the guarantee holds in each")
    if options.record:
        lines |= record_walks(500)
        options.record.parent.mkdir(exist_ok=True)
        options.record.write_text("".join(f"{line}\n" for line in sorted(lines)))
        print(f"{len(lines):,} transitions of the client's machine recorded")
    return int(cut and not options.deep)


if __name__ == "__main__":
    sys.exit(main())
