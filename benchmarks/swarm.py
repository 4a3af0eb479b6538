"""Thousands of clients in one process: just enough of a WebSocket and of the protocol to be handed over, and light."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import time
from typing import Any

from quart_stash.core.backoff import Backoff

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: quart-stash.v1\r\n\r\n"
)


class Wire(asyncio.Protocol):
    """One connection of one member. Its frames are masked with zeros, which is legal, and costs nothing."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.open = False
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a stream")
        self._transport = transport
        swarm = self.member.swarm
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(_HANDSHAKE.format(path=swarm.path, host=f"127.0.0.1:{swarm.port}", key=key).encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.cut()
                return
            self.open, self._buffer = True, rest
            self.member.opened(self)
        while (frame := self._take()) is not None:
            opcode, payload = frame
            if opcode == 8:
                self._write(8, payload[:2])
                self.cut()
            elif opcode == 1:
                self.member.heard(self, payload.decode())

    def connection_lost(self, _: Exception | None) -> None:
        self.member.ended(self)

    def send(self, text: str) -> None:
        self._write(1, text.encode())

    def say(self, kind: str, **fields: Any) -> None:
        self.send(json.dumps({"type": kind, **fields}))

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        if self._transport is not None:
            self._transport.write(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)

    def _take(self) -> tuple[int, bytes] | None:
        """Take one whole frame of the server, if it is here."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1], 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        if len(buffer) < start + size or (start == 4 and len(buffer) < 4):
            return None
        self._buffer = buffer[start + size :]
        return buffer[0] & 15, buffer[start : start + size]


class Member:
    """One view of one tab. It sends one message at each mount, whose answer says how many the state has counted.

    Attributes:
        statuses: how its mounts were answered.
        counts: what the state had counted after the message of each mount.
        drains: the `drain` frames that it got.
        mounts: when it said `mount`, in seconds of the monotonic clock.
    """

    def __init__(self, swarm: Swarm) -> None:
        self.swarm = swarm
        self.statuses: list[str] = []
        self.counts: list[int] = []
        self.drains: list[dict[str, Any]] = []
        self.mounts: list[float] = []
        self.synced = 0
        self.refused = 0
        self._token: str | None = None
        self._received = self._sent = 0
        self._live: Wire | None = None
        self._next: Wire | None = None
        self._handed = True
        self._backoff = Backoff(random.random)

    async def dial(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: Wire(self), "127.0.0.1", self.swarm.port
            )
        except OSError:
            self._again()

    def opened(self, wire: Wire) -> None:
        if self._live is None or self._handed:
            self._mount(wire)
        else:
            self._next = wire

    def heard(self, wire: Wire, text: str) -> None:
        if wire is not self._live:
            return
        if text.startswith("="):
            self.counts.append(int(text.split()[1]))
            self.swarm.tell()
            return
        frame = json.loads(text)
        match frame["type"]:
            case "mounted":
                self.statuses.append(frame["status"])
                self._token = frame.get("token", self._token)
                self._sent += 1
                wire.send(f"={self._sent}")
            case "token":
                self._token, self._received = frame["token"], frame["received"]
                if frame.get("final"):
                    wire.say("synced", received=self._received)
                    self.synced += 1
                    self._handed = True
                    if self._next is not None:
                        self._mount(self._next)
            case "drain":
                self.drains.append(frame)
                self.swarm.spawn(self)
                wire.say("flushed", sent=self._sent)

    def ended(self, wire: Wire) -> None:
        if wire is self._next:
            self._next = None
        elif wire is self._live:
            self._live = None
        elif not wire.open:
            self._again()
        if self.swarm.leaving:
            self.swarm.tell()

    def leave(self) -> None:
        for wire in (self._live, self._next):
            if wire is not None:
                wire.cut()

    def _mount(self, wire: Wire) -> None:
        self._live, self._next, self._handed = wire, None, False
        self._backoff.reset()
        self.mounts.append(time.monotonic())
        wire.say("mount", sent=self._sent, **({"token": self._token} if self._token else {}))

    def _again(self) -> None:
        """The next connection was refused: try again as the script does."""
        self.refused += 1
        delay = self.drains[-1]["delay"] if self.drains else 0.0
        seconds = self._backoff.next(delay) / 1000
        if not self.swarm.leaving:
            asyncio.get_running_loop().call_later(seconds, self.swarm.spawn, self)


class Swarm:
    """So many members on one server's address."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self.port = port
        self.path = path
        self.leaving = False
        self.members = [Member(self) for _ in range(count)]
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def come(self, at_once: int = 50) -> None:
        """Connect all, mounted and with one message answered, so many at a time."""
        for start in range(0, len(self.members), at_once):
            batch = self.members[start : start + at_once]
            for member in batch:
                self.spawn(member)
            await self.until(lambda batch=batch: all(member.counts for member in batch))

    async def answered(self, times: int) -> None:
        """Wait until each has been mounted, and answered, so many times."""
        await self.until(lambda: all(len(member.counts) >= times for member in self.members))

    def leave(self) -> None:
        self.leaving = True
        for member in self.members:
            member.leave()

    def spawn(self, member: Member) -> None:
        """Let a member open a connection."""
        task = asyncio.get_running_loop().create_task(member.dial())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tell(self) -> None:
        self._changed.set()

    async def until(self, condition: Any, timeout: float = 120) -> None:
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()
