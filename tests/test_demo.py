"""The demo, as `make demo` runs it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[1]

if sys.platform == "win32":
    pytest.skip("it needs process groups and inherited sockets", allow_module_level=True)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "examples.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "DEMO_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def address(demo: subprocess.Popen[str]) -> str:
    """Wait until the demo says where it is."""
    said = []
    for line in demo.stdout or ():
        if match := re.search(r"The demo is at (\S+)/", line):
            return match[1]
        said.append(line)
    raise RuntimeError("the demo did not start:\n" + "".join(said))


def post(control: str, path: str, **headers: str) -> int:
    connection = HTTPConnection(urlsplit(control).netloc, timeout=10)
    try:
        connection.request("POST", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def fetch(url: str) -> str:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", urlsplit(url).path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_check_passes() -> None:
    """`--check` fetches the pages, carries a view over a deploy, and ends with status 0 and no traceback."""
    with start("--check") as demo:
        output = demo.communicate(timeout=110)[0]
    assert demo.returncode == 0, output
    assert "a view survived a deploy" in output
    assert "1 of 1 synced" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_ends_cleanly(signum: signal.Signals) -> None:
    """Ctrl-C or SIGTERM ends it with status 0, and nothing listens at its address any more."""
    with start() as demo:
        home = address(demo)
        demo.send_signal(signum)
        rest = demo.communicate(timeout=60)[0]
    assert demo.returncode == 0, rest
    assert "Traceback" not in rest
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(home).port or 0), timeout=5)


def test_ends_cleanly_while_it_starts() -> None:
    """Ctrl-C while the first server is starting ends it with status 0."""
    with start() as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline()  # the server is on its way
        demo.send_signal(signal.SIGINT)
        rest = demo.communicate(timeout=60)[0]
    assert demo.returncode == 0, rest


def test_fails_at_once_when_the_server_can_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses its configuration ends the demo with status 1 and the reason."""
    monkeypatch.setenv("QUART_SECRET_KEY", "short")
    with start() as demo:
        output = demo.communicate(timeout=60)[0]
    assert demo.returncode == 1
    assert "the secret key is shorter than 16 characters" in output
    assert "server 1 has exited" in output


def test_only_its_own_pages_may_command() -> None:
    """A command is refused from another site, without an Origin, and under a name that was made to point here."""
    with start() as demo:
        home = address(demo)
        try:
            found = re.search(r'data-control="([^"]+)"', fetch(f"{home}/profile/"))
            assert found is not None
            control = found[1]
            assert urlsplit(control).hostname == "127.0.0.1"
            assert post(control, "/kill") == 403
            assert post(control, "/kill", Origin="http://example.org") == 403
            assert post(control, "/kill", Origin=home, Host="example.org") == 403
            assert post(control, "/nothing", Origin=home) == 404
            assert post(control, "/deploy", Origin=home) == 204
            assert post(control, "/deploy", Origin=home) == 409
        finally:
            demo.send_signal(signal.SIGTERM)
            output = demo.communicate(timeout=60)[0]
    assert demo.returncode == 0, output
