"""The hosts of one application in this process: one for each start, reached from any thread and event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

from .errors import ConfigurationError
from .host import Host

__all__ = ["HOST_KEY", "Serving"]

T = TypeVar("T")

HOST_KEY: Final = "quart_stash.host"
"""Where the scope of a socket has the host that it came in with."""


class Serving:
    """Which host serves.

    A lifespan is a start, with a host of its own: an application that is served again, in the same loop even, is
    not draining any more. Sockets stay with the host that they came in with. A server without lifespan starts
    with its first scope. Reading never starts anything, and never takes the place of a host that serves.
    """

    def __init__(self, make: Callable[[], Host]) -> None:
        self._make = make
        self._hosts: dict[asyncio.AbstractEventLoop, Host] = {}  # the newest of each loop
        self._newest: Host | None = None
        self._spare: Host | None = None  # seals and signs where nothing serves
        self._state_key = f"{HOST_KEY}.{id(self)}"

    def start(self) -> Host:
        """Return a new host, which serves in the running loop from here on.

        Raises:
            ConfigurationError: the configuration can't work.
        """
        host = self._newest = self._add(self._make())
        return host

    def here(self) -> Host:
        """Return the host that serves in the running loop; make it, if this is the first of a server without lifespan.

        Raises:
            ConfigurationError: the configuration can't work.
        """
        host = self._hosts.get(asyncio.get_running_loop())
        if host is None:
            host = self._add(self._make())
            if self._newest is None or self._newest.over:
                self._newest = host
        return host

    def of(self, scope: Mapping[str, Any]) -> Host:
        """Return the host that is to serve this scope: of a lifespan a new one, else that of the scope's own lifespan.

        Raises:
            ConfigurationError: the configuration can't work.
        """
        state = scope.get("state")
        if scope["type"] == "lifespan":
            host = self.start()
            if isinstance(state, dict):  # the server hands it to every scope of this start
                state[self._state_key] = host
            return host
        started = state.get(self._state_key) if isinstance(state, dict) else None
        return started if isinstance(started, Host) else self.here()

    def any(self) -> Host:
        """Return the host to ask, from wherever: the running loop's, else the newest; else one that serves nothing.

        Raises:
            ConfigurationError: the configuration can't work.
        """
        try:
            host = self._hosts.get(asyncio.get_running_loop())
        except RuntimeError:
            host = None
        host = host or self._newest
        if host is None or host.over:
            host = self._spare = self._spare or self._make()
        return host

    @property
    def draining(self) -> bool:
        """Whether a drain runs, or has run since the start."""
        host = self._newest
        return host is not None and (host if host.over else self.any()).draining

    async def carry_out(self, work: Callable[[Host], Coroutine[Any, Any, T]]) -> T | None:
        """Do something about the live views: in the loop that serves them, whichever asks. Returns what it returns.

        Where nothing is served, or not any more, nothing is done.

        Raises:
            ConfigurationError: the loop that serves them stands still.
        """
        host = self.any()
        if host.over:
            return None
        if host.loop is asyncio.get_running_loop():
            return await work(host)
        if not host.loop.is_running():
            raise ConfigurationError(
                "the event loop that serves this application does not run: call this from within it"
            )
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(host), host.loop))

    def _add(self, host: Host) -> Host:
        self._hosts = {loop: old for loop, old in self._hosts.items() if not loop.is_closed()}
        self._hosts[host.loop] = host
        self._spare = None
        return host
