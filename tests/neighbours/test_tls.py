"""Servers that end TLS themselves: a closed connection of theirs raises whatever is asked of it."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from tests.servers.harness import ANYCORN, GUNICORN_ASGI, HYPERCORN, UVICORN, Setup, eventually, serving

from .deploy import deploy

PLAIN = "tests.neighbours.apps.plain"
OPTIONS = {
    HYPERCORN: ("--certfile", "{cert}", "--keyfile", "{key}"),
    UVICORN: ("--ssl-certfile", "{cert}", "--ssl-keyfile", "{key}"),
    GUNICORN_ASGI: ("--certfile", "{cert}", "--keyfile", "{key}"),
    ANYCORN: ("--certfile", "{cert}", "--keyfile", "{key}"),
}


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Make certificates, and return what trusts them, as do clients without a context of their own."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return ssl.create_default_context()


def options(setup: Setup, folder: Path) -> list[str]:
    """Return the options with which a server ends TLS."""
    return [part.format(cert=folder / "cert.pem", key=folder / "key.pem") for part in OPTIONS[setup]]


@pytest.mark.parametrize("setup", OPTIONS, ids=lambda setup: setup.name)
async def test_tls(setup: Setup, tmp_path: Path, trusted: ssl.SSLContext) -> None:
    """With TLS, too, nobody sees the deploy, and the hooks after serving run."""
    done = await deploy(replace(setup, app=PLAIN), tmp_path, options=options(setup, tmp_path), tls=trusted)
    done.was_noticed()
    assert done.hooks() == (1, 1)


@pytest.mark.parametrize("path", ["/flood", "/items/1"])
# Anycorn waits for no connection, so there is none to end.
@pytest.mark.parametrize("setup", [HYPERCORN, UVICORN, GUNICORN_ASGI], ids=lambda setup: setup.name)
async def test_a_peer_that_has_stopped_reading(
    setup: Setup, path: str, tmp_path: Path, trusted: ssl.SSLContext
) -> None:
    """A peer with TLS that has stopped reading does not hold up the process, with megabytes queued for it or with none."""
    served = replace(setup, app="stashed")
    async with serving(
        served, tmp_path / "log", options=tuple(options(setup, tmp_path)), tls=trusted
    ) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusted, limit=1024)
        handshake = [
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "",
        ]  # fmt: skip
        writer.write("\r\n".join(handshake).encode())
        assert b"101" in await reader.readline()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        if path == "/flood":
            await eventually(lambda: "flooding" in server.log, "the flood")
        server.signal()
        await server.exited()
        assert server.trouble() == []
        assert "a peer had stopped reading; its connection was ended" in server.log
        writer.transport.abort()
