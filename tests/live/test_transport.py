"""The last resort: it ends exactly the one TCP connection."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from quart_stash.live.socket import Socket
from quart_stash.live.transport import cut, cut_descriptor

Pair = tuple[socket.socket, socket.socket]


def pair(family: socket.AddressFamily = socket.AF_INET) -> Pair:
    """Return the server's and the client's end of a loopback TCP connection."""
    with socket.create_server(
        ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family
    ) as listener:
        client = socket.create_connection(listener.getsockname()[:2])
        server, _ = listener.accept()
    return server, client


def scope_of(server: socket.socket) -> dict[str, Any]:
    return {"client": server.getpeername(), "server": server.getsockname()}


def is_open(ends: Pair) -> bool:
    """Whether a byte gets through."""
    server, client = ends
    try:
        server.sendall(b"x")
        return client.recv(1) == b"x"
    except OSError:
        return False


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_it_ends_exactly_the_one(family: socket.AddressFamily) -> None:
    """Of three connections the middle one is shut down, and its peer sees the end; the others go on."""
    connections = [pair(family) for _ in range(3)]
    assert cut_descriptor(scope_of(connections[1][0]))
    assert connections[1][1].recv(1) == b""
    assert [is_open(ends) for ends in connections] == [True, False, True]
    for end in sum(connections, ()):
        end.close()


def test_it_frees_a_blocked_writer() -> None:
    """Data that is queued for a peer that does not read is given up, so the writer is not blocked any more."""
    server, client = pair()
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            server.send(b"x" * 65536)
    assert cut_descriptor(scope_of(server))
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        server.send(b"x")
    server.close()
    client.close()


@pytest.mark.parametrize(
    "foreign",
    [
        {"client": ("203.0.113.7", 4711)},
        {"client": ("127.0.0.1", 1)},
        {"server": ("127.0.0.1", 1)},
        {"client": None},
        {"server": None},
        {"client": ("/run/socket", None)},
        {"server": "/run/socket"},
    ],
    ids=repr,
)
def test_trace_26_a_foreign_address_is_left_alone(foreign: dict[str, Any]) -> None:
    """Where a proxy's headers name another address, or there is none, nothing is touched."""
    ends = pair()
    assert not cut_descriptor({**scope_of(ends[0]), **foreign})
    assert is_open(ends)
    for end in ends:
        end.close()


def test_no_descriptor_is_left_open() -> None:
    """Looking through the descriptors leaves none of them open twice."""
    ends = pair()
    scope = scope_of(ends[0])
    for end in ends:
        end.close()
    before = socket.socket()
    number = before.fileno()
    before.close()
    assert not cut_descriptor(scope)
    after = socket.socket()
    assert after.fileno() == number
    after.close()


def test_a_known_transport_is_aborted() -> None:
    """Where the server's transport can be found it is aborted, and no descriptor is looked for."""

    class Transport:
        aborted = 0

        def abort(self) -> None:
            self.aborted += 1

        def get_write_buffer_size(self) -> int:
            return 7

    class Protocol:
        transport = Transport()

        async def receive(self) -> Any:
            raise NotImplementedError

        async def send(self, event: Any) -> None:
            raise NotImplementedError

    ends = pair()
    protocol = Protocol()
    one = Socket(scope_of(ends[0]), protocol.receive, protocol.send, refusing=lambda: False)
    assert one.queued
    assert cut(one)
    assert protocol.transport.aborted == 1
    assert is_open(ends)
    for end in ends:
        end.close()


def test_without_a_known_transport_the_descriptor_is_shut_down() -> None:
    """Where the server's transport can't be found the connection is known by its addresses."""

    async def receive() -> Any:
        raise NotImplementedError

    async def send(event: Any) -> None:
        raise NotImplementedError

    ends = pair()
    one = Socket(scope_of(ends[0]), receive, send, refusing=lambda: False)
    assert not one.queued
    assert cut(one)
    assert not is_open(ends)
    for end in ends:
        end.close()
