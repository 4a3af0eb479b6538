"""What happens to the servers, the proxies, the network and the pages; drawn at random."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks.soak.crowd import Crowd
from benchmarks.soak.fleet import Fleet, Place, Process
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.pages import Typists
from tests.servers.proxies import Proxy
from tests.servers.wire import Wire

ROLL = "SIGTERM, overlap"
NOTICED = 0.1
"""Seconds after which the clients know that their connections are cut."""
UNEVEN = 1.2
"""A process with so many times its share of the clients hands the surplus over."""


@dataclass
class World:
    """Everything that something can happen to."""

    fleet: Fleet
    proxies: dict[str, Proxy]
    wires: Sequence[Wire]
    crowd: Crowd
    typists: Typists
    ledger: Ledger
    rng: random.Random
    uneven: bool = False
    background: set[asyncio.Future[None]] = field(default_factory=set)
    _evening: asyncio.Future[None] | None = None

    def place(self) -> Place:
        """Draw one of the places."""
        return self.rng.choice(self.fleet.places)

    def meanwhile(self, work: Awaitable[None]) -> asyncio.Future[None]:
        """Let something go on while other faults come."""
        task = asyncio.ensure_future(work)
        self.background.add(task)
        task.add_done_callback(self._done)
        return task

    def even_out(self) -> None:
        """Let the clients be spread evenly, as after any restart, while other faults come."""
        if not self.uneven and (self._evening is None or self._evening.done()):
            self._evening = self.meanwhile(even_out(self))

    def _done(self, task: asyncio.Future[None]) -> None:
        self.background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.ledger.defect(f"a fault has failed: {task.exception()!r}")


async def replace(world: World, place: Place) -> None:
    """The new process is ready, then the old one is told to leave."""
    old = running(place)
    place.process = await world.fleet.start(place)
    world.fleet.dismiss(old)
    await world.fleet.left(old)


async def roll(world: World) -> None:
    """A deploy as it should be; whether the pages show it is looked at."""
    watched = await world.typists.look()
    await replace(world, world.place())
    for typist in watched:
        world.ledger.visible[f"{ROLL}, Chromium"] += await typist.saw()


async def in_place(world: World) -> None:
    """The old process has left before the new one begins to start; its socket is kept, as systemd does."""
    await _in_place(world, world.place())


async def in_place_with_socket(world: World) -> None:
    """The same, and its socket goes with it."""
    place = world.place()
    place.shut()
    await _in_place(world, place)


async def _in_place(world: World, place: Place) -> None:
    old = running(place)
    world.fleet.dismiss(old)
    await world.fleet.left(old)
    place.process = await world.fleet.start(place)


async def kill(world: World) -> None:
    """The process is killed; its socket is kept, as systemd does."""
    place = world.place()
    await world.fleet.kill(running(place))
    place.process = await world.fleet.start(place)


async def kill_with_socket(world: World) -> None:
    """The process is killed, and its socket is gone for a while."""
    place = world.place()
    place.shut()
    await world.fleet.kill(running(place))
    await asyncio.sleep(world.rng.uniform(0.2, 1))
    place.process = await world.fleet.start(place)


async def kill_in_drain(world: World) -> None:
    """The process is killed somewhere in its drain."""
    place = world.place()
    old = running(place)
    if overlap := world.rng.random() < 0.5:
        place.process = await world.fleet.start(place)
    world.fleet.dismiss(old)
    await asyncio.sleep(world.rng.uniform(0, 1))
    await world.fleet.kill(old)
    if not overlap:
        place.process = await world.fleet.start(place)


async def stop(world: World) -> None:
    """The process stands still for a while, and goes on."""
    process = running(world.place())
    process.server.signal_group(signal.SIGSTOP)
    await asyncio.sleep(world.rng.uniform(0.3, 3))
    process.server.signal_group(signal.SIGCONT)


async def stop_and_replace(world: World) -> None:
    """The process stands still, is replaced meanwhile, and wakes up to be told to leave."""
    place = world.place()
    old = running(place)
    old.server.signal_group(signal.SIGSTOP)
    place.process = await world.fleet.start(place)
    world.fleet.dismiss(old)
    old.server.signal_group(signal.SIGCONT)
    await world.fleet.left(old)


async def reload_softly(world: World) -> None:
    """A proxy reads its configuration anew."""
    await world.rng.choice(list(world.proxies.values())).reload()


async def reload_haproxy(world: World) -> None:
    """HAProxy is replaced, and its connections are cut."""
    await world.proxies["haproxy"].reload(hard=True)


async def restart_nginx(world: World) -> None:
    """nginx is restarted."""  # noqa: D403
    await world.proxies["nginx"].reload(hard=True)


async def reset(world: World) -> None:
    """Some connections are reset."""
    for wire in world.wires:
        wire.reset(0.5, world.rng)


async def slow(world: World) -> None:
    """Everything takes half a second longer each way, for a while."""
    world.meanwhile(world.rng.choice(world.wires).slow(0.5, world.rng.uniform(2, 8)))


async def swallow(world: World) -> None:
    """Nothing gets through for a while."""
    world.meanwhile(world.rng.choice(world.wires).swallow(world.rng.uniform(2, 8)))


async def load_anew(world: World) -> None:
    """Some pages load anew."""
    world.meanwhile(world.crowd.reload(world.rng, 1 + len(world.crowd.clients) // 20))
    world.meanwhile(world.typists.reload(world.rng))


async def rotate(world: World) -> None:
    """A new secret key: made known first; or not, so that some processes can't judge what others seal.

    No old one is dropped: session cookies under it are younger than a day.
    """
    fleet = world.fleet
    old, new = fleet.keys, fleet.new_key(world.rng)
    for keys in [[*old, new], [new, *old]] if world.rng.random() < 0.5 else [[new, *old]]:
        fleet.keys = keys
        for place in fleet.places:
            await replace(world, place)


async def step_clock(world: World) -> None:
    """A process's clock is put ahead, or less so: two hours between two processes are allowed for.

    Never behind the true time: a session cookie from the future is refused by Quart, and with it the identity.
    """
    process = running(world.place())
    seconds = world.rng.uniform(0, 7000)
    await process.server.get(f"/clock/{seconds:.0f}", "POST")


async def release(world: World) -> None:
    """A new release comes, is taken back where it serves, and comes again."""
    fleet = world.fleet
    first, second = world.rng.sample(fleet.places, 2)
    steps = [(first, 1), (first, 0), (first, 1), (second, 1)]
    if world.rng.random() < 0.5:  # it is everywhere before it is taken back in one place
        steps = [(first, 1), (second, 1), (first, 0), (first, 1)]
    begin = fleet.release
    for place, ahead in steps:
        fleet.release = begin + ahead
        await replace(world, place)


async def even_out(world: World) -> None:
    """A process that has too many of the clients hands some over. It may end meanwhile."""
    share = len(world.crowd.clients) / len(world.fleet.places)
    for process in [running(place) for place in world.fleet.places]:
        there = world.crowd.on(process.number)
        if there > UNEVEN * share:
            with suppress(OSError):
                status, _, said = await process.server.get(f"/rebalance/{1 - share / there:.3f}", "POST")
                if status != 200:
                    raise RuntimeError(f"a rebalance was answered with {status}: {said}")
                world.ledger.rebalanced.update(json.loads(said))


def running(place: Place) -> Process:
    """Return the newest process of a place."""
    if place.process is None:
        raise RuntimeError("nothing runs there")
    return place.process


Fault = Callable[[World], Awaitable[None]]

FAULTS: dict[str, tuple[Fault, float]] = {
    ROLL: (roll, 40),
    "SIGTERM in place": (in_place, 5),
    "SIGTERM in place, socket gone": (in_place_with_socket, 5),
    "SIGKILL": (kill, 8),
    "SIGKILL, socket gone": (kill_with_socket, 8),
    "SIGKILL in mid-drain": (kill_in_drain, 8),
    "SIGSTOP, SIGCONT": (stop, 4),
    "SIGSTOP, replaced, SIGCONT": (stop_and_replace, 3),
    "soft reload of a proxy": (reload_softly, 3),
    "HAProxy hard reload": (reload_haproxy, 3),
    "nginx restart": (restart_nginx, 3),
    "connections reset": (reset, 4),
    "500 ms latency": (slow, 3),
    "black hole": (swallow, 3),
    "page reload": (load_anew, 6),
    "key rotated": (rotate, 2),
    "clock stepped": (step_clock, 4),
    "new release, rolled back, again": (release, 3),
}
"""The faults, and how often each is drawn."""


async def inject(world: World, name: str) -> None:
    """Let one of them happen, and look at every field afterwards."""
    with world.ledger.during(name):
        try:
            await FAULTS[name][0](world)
        except Exception as error:  # the soak goes on, and has failed
            world.ledger.defect(f"the fault itself has failed: {error!r}")
        await asyncio.sleep(NOTICED)
    world.even_out()
    await world.typists.check()
