"""The ways to notice that the server is leaving: signals, Hypercorn's context, the trigger, and the server's limits."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quart_stash.live.server import ServerInfo
from quart_stash.live.shutdown import HypercornContext, ShutdownTrigger, SignalChain

from .pipe import in_virtual_time, settle

ROOT = Path(__file__).parents[2]


class App:
    """An application's gateway, as far as the ways know it. Its drain takes two seconds, or ends when it is skipped."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.reasons: list[str] = []
        self.log: list[str] = []
        self.gone = False
        self._skipped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self._skipped.wait()
                self.log.append("skipped")
        except TimeoutError:
            self.log.append("drained")

    def leave(self, reason: str) -> asyncio.Task[None]:
        self.reasons.append(reason)
        self._task = self._task or self.loop.create_task(self._drain())
        return self._task

    def skip(self) -> None:
        self._skipped.set()

    def leaving(self) -> bool:
        return self.gone


@pytest.fixture
def fresh_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a chain of its own."""
    monkeypatch.setattr(SignalChain, "_shared", None)


def handles(signum: int, log: list[str], name: str) -> None:
    signal.signal(signum, lambda *_: log.append(name))


def send(signum: int) -> None:
    os.kill(os.getpid(), signum)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_the_earlier_handler_is_called_after_the_drain() -> None:
    """A SIGTERM begins the drain; the handler that was there before, such as Uvicorn's, is called when it has ended."""
    app = App()
    handles(signal.SIGTERM, app.log, "previous")
    assert SignalChain.listen(app)
    send(signal.SIGTERM)
    await settle()
    assert app.reasons == ["SIGTERM"]
    assert app.log == []
    await until(lambda: "previous" in app.log)
    assert app.log == ["drained", "previous"]


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_two_listeners_share_one_signal() -> None:
    """Two applications drain on one signal, and the earlier handler is called once, after both."""
    first, second = App(), App()
    second.log = first.log
    handles(signal.SIGTERM, first.log, "previous")
    assert SignalChain.listen(first)
    assert SignalChain.listen(second)
    assert SignalChain.listen(second)
    send(signal.SIGTERM)
    await until(lambda: "previous" in first.log)
    assert first.log == ["drained", "drained", "previous"]
    assert first.reasons == second.reasons == ["SIGTERM"]


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_a_second_sigint_skips() -> None:
    """The first SIGINT drains, the second one ends the drain, and the earlier handler hears of both."""
    app = App()
    handles(signal.SIGINT, app.log, "previous")
    SignalChain.listen(app)
    send(signal.SIGINT)
    await settle()
    assert app.log == []
    send(signal.SIGINT)
    await until(lambda: app.log.count("previous") == 2)
    assert app.log == ["skipped", "previous", "previous"]
    assert app.loop.time() < 1


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_a_second_sigterm_is_the_same_drain() -> None:
    """SIGTERM twice is one drain, which is not skipped."""
    app = App()
    handles(signal.SIGTERM, app.log, "previous")
    SignalChain.listen(app)
    send(signal.SIGTERM)
    await settle()
    send(signal.SIGTERM)
    await until(lambda: app.log.count("previous") == 2)
    assert app.log[0] == "drained"


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_uninstalling_restores_the_handlers() -> None:
    """When the last listener leaves, the earlier handlers are there again; and a later one installs anew."""
    first, second = App(), App()
    handles(signal.SIGTERM, first.log, "previous")
    before = [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)]
    SignalChain.listen(first)
    SignalChain.listen(second)
    SignalChain.leave(first)
    SignalChain.leave(first)
    assert signal.getsignal(signal.SIGTERM) != before[0]
    SignalChain.leave(second)
    assert [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)] == before
    assert SignalChain.listen(first)
    assert signal.getsignal(signal.SIGTERM) != before[0]
    SignalChain.leave(first)


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_a_foreign_handler_on_top_stays() -> None:
    """Where somebody has installed a handler over ours, leaving does not take it away."""
    app = App()
    SignalChain.listen(app)
    handles(signal.SIGTERM, app.log, "foreign")
    theirs = signal.getsignal(signal.SIGTERM)
    SignalChain.leave(app)
    assert signal.getsignal(signal.SIGTERM) is theirs


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_an_ignored_signal_stays_ignored() -> None:
    """A signal that the process ignores (as gunicorn's parent arranges SIGINT) is not listened to."""
    app = App()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert not SignalChain.listen(app)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_a_loops_own_handler_is_not_called() -> None:
    """A handler of `loop.add_signal_handler` runs by itself, and is not called by the chain."""
    app = App()
    app.loop.add_signal_handler(signal.SIGTERM, app.log.append, "the loop's own")
    SignalChain.listen(app)
    send(signal.SIGTERM)
    await until(lambda: "drained" in app.log)
    await settle()
    assert sorted(app.log) == ["drained", "the loop's own"]
    app.loop.remove_signal_handler(signal.SIGTERM)


@pytest.mark.usefixtures("fresh_chain")
@in_virtual_time
async def test_no_signals_in_another_thread() -> None:
    """In a thread that is not the main one signals can't be noticed, and nothing is installed."""
    app = App()
    before = signal.getsignal(signal.SIGTERM)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(SignalChain.listen(app)))
    thread.start()
    thread.join()
    assert answers == [False]
    assert signal.getsignal(signal.SIGTERM) is before


CHILD = """
import asyncio, signal, sys
from quart_stash.live.shutdown import SignalChain
from tests.live.test_shutdown import App
async def main():
    app = App()
    SignalChain.listen(app)
    {body}
{after}
"""


def run_child(body: str, after: str = "asyncio.run(main())") -> subprocess.CompletedProcess[str]:
    code = CHILD.format(body=body.replace("\n", "\n    "), after=after)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_default_action_is_let_through() -> None:
    """Where SIGTERM had its default action, and the server does not leave by itself, the process ends by the signal."""
    done = run_child("signal.raise_signal(signal.SIGTERM)\nawait asyncio.sleep(30)")
    assert done.returncode == -signal.SIGTERM


def test_the_default_action_is_absorbed() -> None:
    """Where the server leaves by itself, as a Hypercorn worker does, the default action does not kill it."""
    done = run_child(
        "signal.raise_signal(signal.SIGTERM)\n"
        "await asyncio.sleep(2.1)\n"
        "app.gone = True\n"
        "await asyncio.sleep(1)\n"
        "SignalChain.leave(app)\n"
        "signal.raise_signal(signal.SIGTERM)\n"
        "print(app.log)"
    )
    assert (done.returncode, done.stdout) == (0, "['drained']\n")


def test_a_signal_after_the_loop_is_not_swallowed() -> None:
    """When the loops of all listeners are closed, SIGTERM does again what it did before."""
    done = run_child("pass", "asyncio.run(main())\nsignal.raise_signal(signal.SIGTERM)\nprint('still here')")
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")


def test_listeners_of_closed_loops_are_let_go() -> None:
    """A process that serves one application after another, as tests do, keeps none whose loop is closed."""
    runs = "asyncio.run(main())\n" * 3
    done = run_child("pass", runs + "print(len(SignalChain._shared._listeners))")
    assert (done.returncode, done.stdout) == (0, "1\n")


class Found(ServerInfo):
    """A server whose context is found, or not."""

    event: Any = None

    def terminated(self) -> Any:
        return self.event


def hypercorn(event: asyncio.Event | None) -> ServerInfo:
    found = Found("hypercorn")
    object.__setattr__(found, "event", event)
    return found


@in_virtual_time
async def test_hypercorns_context() -> None:
    """The worker's context is looked for until it is found, and its event begins the drain."""
    terminated = asyncio.Event()
    app, context = App(), HypercornContext()
    assert not context.look(hypercorn(None), app)
    assert context.look(hypercorn(terminated), app)
    assert context.look(hypercorn(None), app)
    assert not context.terminated
    await settle()
    assert app.reasons == []
    terminated.set()
    await settle()
    assert context.terminated
    assert app.reasons == ["Hypercorn's worker context"]
    await until(lambda: app.log == ["drained"])
    context.stop()


@in_virtual_time
async def test_no_context() -> None:
    """Any other server has none, and that is no error."""
    context = HypercornContext()
    assert not context.look(ServerInfo("uvicorn"), App())
    assert not context.terminated
    context.stop()


@in_virtual_time
async def test_stopping_to_look_does_not_stop_the_drain() -> None:
    """`stop` ends the waiting for the event, but not a drain that has begun."""
    terminated = asyncio.Event()
    app, context = App(), HypercornContext()
    context.look(hypercorn(terminated), app)
    terminated.set()
    await settle()
    context.stop()
    await until(lambda: app.log == ["drained"])


@in_virtual_time
async def test_the_trigger() -> None:
    """The trigger returns when it is fired, to every server that waits for it, and says whether it is used."""
    trigger = ShutdownTrigger()
    trigger.fire()
    assert not trigger.used
    waiting = [asyncio.create_task(trigger()) for _ in range(2)]
    await settle()
    assert trigger.used
    assert not any(task.done() for task in waiting)
    trigger.fire()
    await asyncio.wait(waiting)
    assert all(task.done() for task in waiting)
