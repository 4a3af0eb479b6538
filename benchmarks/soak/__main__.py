"""The soak, up to so many restarts and messages, or as long as there is time.

    python -m benchmarks.soak                  # the full one; writes benchmarks/results/soak.json and docs/soak.svg
    python -m benchmarks.soak --restarts 30    # a short one; writes neither

It fails if a message is lost or doubled, a note of the room does not count once in each member's state, a keystroke
is lost, a page raises, a server's log shows an error, or a process does not leave by its deadline.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.collector import calm
from benchmarks.soak.crowd import FARTHEST, NEAREST, Answer, Client, Crowd
from benchmarks.soak.faults import FAULTS, ROLL, World, inject
from benchmarks.soak.fleet import Fleet
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.pages import Typist, Typists
from benchmarks.soak.picture import draw
from benchmarks.soak.report import failures, result, table
from tests.browser.fleet import browsing, connected, open_tab
from tests.servers.proxies import PROXIES
from tests.servers.wire import wire

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "soak.json"
PICTURE = ROOT / "docs" / "soak.svg"
CHROMIUM = Path(__file__).with_name("chromium-elsewhere")

FULL = 1000
"""Restarts of the full soak."""
MESSAGES = 1000
"""Messages for each restart, unless told otherwise."""
WIRED = 5
"""Of so many clients one is behind a wire that may misbehave."""
ROOM = 19
"""Of so many clients one is in the room: what each of them says, all of them hear."""
SETTLE = 90.0
"""Seconds that the last messages have to be answered: a token that nobody can judge is given up after 60."""
SAID_EVERY = 5.0


async def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Run it and return the figures."""
    errors: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with _world(options, Path(folder), errors) as world:
            await world.crowd.join()
            calm()
            tasks = [
                asyncio.create_task(work)
                for work in (world.crowd.talk(), *(t.type() for t in world.typists.all))
            ]
            telling = asyncio.create_task(_tell(world, options))
            try:
                await _inject(world, options)
            finally:
                world.crowd.stop()
                world.typists.stop()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                telling.cancel()
            for error in filter(None, ended):
                world.ledger.defect(f"sending ended: {error!r}")
            figures = result(world, await _settled(world), errors)
    return {"seed": options.seed, **figures}


@asynccontextmanager
async def _world(options: argparse.Namespace, folder: Path, errors: list[str]) -> AsyncIterator[World]:
    rng = random.Random(options.seed)
    ledger, fleet = Ledger(), Fleet(folder, rng)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(fleet.end)
        for place in fleet.places:
            place.process = await fleet.start(place)
        ports = [place.port for place in fleet.places]
        proxies = {
            name: await stack.enter_async_context(start(ports, folder)) for name, start in PROXIES.items()
        }
        wires = [await stack.enter_async_context(wire(proxy.port)) for proxy in proxies.values()]
        clients = []
        for number in range(options.clients):
            proxy = list(proxies.values())[number % 2]
            behind = wires[number % 2] if number // 2 % WIRED == 0 else None
            port = behind.port if behind else proxy.port
            clients.append(Client(port, behind, ledger, fleet, rng, member=number % ROOM == 0))
        typists = []
        if options.tabs:
            browser = await stack.enter_async_context(browsing(CHROMIUM))
            for number in range(options.tabs):
                proxy = list(proxies.values())[number % 2]
                away = await stack.enter_async_context(wire(proxy.port, rng.uniform(NEAREST, FARTHEST)))
                page = await open_tab(browser, f"http://127.0.0.1:{away.port}/", errors)
                await connected(page)
                typists.append(Typist(page, ledger, random.Random(rng.random())))
        crowd = Crowd(clients)
        stack.push_async_callback(crowd.leave)
        yield World(fleet, proxies, wires, crowd, Typists(typists), ledger, rng, uneven=options.uneven)


async def _inject(world: World, options: argparse.Namespace) -> None:
    """Let faults happen, until there were enough of everything; with `--each`, each kind once."""
    names = options.only or list(FAULTS)
    weights = [FAULTS[name][1] for name in names]
    end = time.monotonic() + options.minutes * 60
    due = world.rng.sample(names, len(names)) if options.each else []
    while time.monotonic() < end and not world.ledger.defects[100:]:
        enough = world.fleet.restarts >= options.restarts and world.crowd.sent >= options.messages
        if enough and not due:
            break
        await inject(world, due.pop() if due else world.rng.choices(names, weights)[0])
        await asyncio.sleep(world.rng.uniform(0, 0.4))
    while world.background:
        await asyncio.wait(world.background)


async def _settled(world: World) -> Sequence[tuple[int, Answer]]:
    """Wait until everything is answered; return what was sent, and what the views say."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE):
            await world.crowd.settled()
            for typist in world.typists.all:
                await typist.settled()
    for client in world.crowd.waiting():
        world.ledger.defect(f"not answered: sent {client.sent}, {client.answer}, {client.tab.state}")
    await world.typists.check()
    typed = [(len(typist.text), await typist.answer()) for typist in world.typists.all]
    return [*((client.sent, client.answer) for client in world.crowd.clients), *typed]


async def _tell(world: World, options: argparse.Namespace) -> None:
    """Say how far it is, until cancelled."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(SAID_EVERY)
        passed = time.monotonic() - began
        restarts, sent = world.fleet.restarts, world.crowd.sent
        done = min(restarts / max(1, options.restarts), sent / max(1, options.messages), 1)
        left = min(options.minutes * 60 - passed, passed / done - passed if done else 1e9)
        answers = [client.answer for client in world.crowd.clients]
        longest = max(world.ledger.gaps.get(ROLL, [0.0]))
        print(
            f"{passed / 60:5.1f} min  {restarts:,} restarts  {sent:,} messages  "
            f"{sum(answer.skipped for answer in answers)} lost  {sum(answer.doubled for answer in answers)} doubled  "
            f"{world.typists.typed:,} keys  {len(world.ledger.defects)} defects  "
            f"overlap {longest * 1000:.0f} ms at most  "
            f"{max(0, left) / 60:.0f} min left  [{world.ledger.cause}]",
            flush=True,
        )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--restarts", type=int, default=FULL)
    parser.add_argument("--messages", type=int, help=f"default: {MESSAGES} for each restart")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--tabs", type=int, default=4)
    parser.add_argument(
        "--only", action="append", choices=FAULTS, metavar="FAULT", help="no others; may be repeated"
    )
    parser.add_argument("--uneven", action="store_true", help="leave the clients where they are")
    parser.add_argument("--each", action="store_true", help="begin with each kind of fault once")
    parser.add_argument(
        "--write", action="store_true", help="write result and picture, though it is not the full one"
    )
    parser.add_argument(
        "--draw", action="store_true", help="only draw the picture again, from the result that is there"
    )
    options = parser.parse_args(given)
    if options.messages is None:
        options.messages = MESSAGES * options.restarts
    return options


def main() -> int:
    """Run it, show the table, and write what the documentation holds."""
    options = arguments()
    if not options.draw:
        print(f"seed {options.seed}", flush=True)
        figures = uvloop.run(soak(options))
        print("\n" + "\n".join(table(figures)), flush=True)
        if options.restarts < FULL and not options.write:
            return bool(failures(figures))
        RESULT.write_text(json.dumps(figures, indent=1) + "\n")
    figures = json.loads(RESULT.read_text())
    PICTURE.write_text(draw(figures))
    return bool(failures(figures))


if __name__ == "__main__":
    sys.exit(main())
