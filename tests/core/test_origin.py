"""The Origin decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core.origin import check_allowed, origin_allowed
from quart_stash.errors import ConfigurationError


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        (None, "example.com", "wss"),
        (None, None, "ws"),
        ("https://example.com", "example.com", "wss"),
        ("https://example.com", "example.com", "https"),
        ("https://example.com", "example.com:443", "wss"),
        ("https://example.com:443", "example.com", "wss"),
        ("http://example.com", "example.com", "ws"),
        ("http://example.com", "example.com:80", "ws"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000", "ws"),
        ("http://localhost:5000", "localhost:5000", "ws"),
        ("HTTPS://Example.COM", "eXample.com", "WSS"),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example", "wss"),
        ("https://xn--bcher-kva.example", "bücher.example", "wss"),
        ("http://[::1]:8000", "[::1]:8000", "ws"),
        ("http://[::1]", "[0:0:0:0:0:0:0:1]:80", "ws"),
    ],
)
def test_own(origin: str | None, host: str | None, scheme: str) -> None:
    """A page of the same host may open a socket, and so may a program that is no browser."""
    assert origin_allowed(origin, host, scheme, None)
    assert origin_allowed(origin, host, scheme, ["https://elsewhere.example"])


def test_proxy_that_ends_tls() -> None:
    """Behind a proxy that ends TLS an https page meets a plain connection, and is allowed."""
    assert origin_allowed("https://example.com", "example.com", "ws", None)


def test_plain_page_on_an_encrypted_socket() -> None:
    """A page that was not encrypted, so anybody's on the way, may not open an encrypted socket."""
    assert not origin_allowed("http://example.com", "example.com", "wss", None)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "example.com"),
        ("https://example.com.evil.example", "example.com"),
        ("https://evilexample.com", "example.com"),
        ("https://sub.example.com", "example.com"),
        ("https://example.com", "sub.example.com"),
        ("https://example.com:8443", "example.com"),
        ("https://example.com", "example.com:8443"),
        ("https://example.com", "example.com:80"),
        ("http://localhost:5001", "localhost:5000"),
        ("http://localhost:5000", "127.0.0.1:5000"),
        ("https://example.com", None),
        ("https://example.com", ""),
        ("ftp://example.com", "example.com"),
        ("chrome-extension://example.com", "example.com"),
        ("http://[::1]", "[::2]"),
    ],
)
def test_foreign(origin: str, host: str | None) -> None:
    """A page of another host, port or scheme may not."""
    assert not origin_allowed(origin, host, "wss", None)
    assert not origin_allowed(origin, host, "ws", [])


@pytest.mark.parametrize("allowed", [None, [], ["null"], ["https://example.com", "null"]])
def test_null(allowed: list[str] | None) -> None:
    """The origin `null`, of sandboxed frames and files, is refused, whatever the list says."""
    assert not origin_allowed("null", "example.com", "wss", allowed)
    assert not origin_allowed("null", "null", "wss", allowed)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "example.com",
        "//example.com",
        "https://",
        "https:example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com?x",
        "https://example.com#x",
        "https://user@example.com",
        "https://example.com@evil.example",
        "https://evil.example\\@example.com",
        "https://example.com:port",
        "https://example.com:99999",
        "https://example.com:443:443",
        "https://example.com:",
        "https://exa mple.com",
        "https://example.com\n",
        "https://example.com\x00",
        "https://example.com, https://evil.example",
        "https://example%2ecom",
        "https://[::1",
        "https://[::g]",
        "https://[::1%eth0]",
        "https://*.example.com",
        "https://" + "ü" * 100,
    ],
)
def test_garbage(origin: str) -> None:
    """What is not the text form of one origin is refused."""
    allowed = ["https://example.com", "https://*.example.com", origin]
    assert not origin_allowed(origin, "example.com", "wss", allowed)
    assert not origin_allowed(origin, origin.removeprefix("https://"), "wss", allowed)


@given(st.text(), st.none() | st.text(), st.text(), st.lists(st.text()))
def test_never_raises(origin: str, host: str | None, scheme: str, allowed: list[str]) -> None:
    """Whatever the headers are, there is a decision."""
    for prefix in ("", "https://", "https://["):
        assert origin_allowed(prefix + origin, host, scheme, allowed) in (True, False)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://example.com", True),
        ("https://example.com:443", True),
        ("http://example.com", False),
        ("https://example.com:8443", False),
        ("https://sub.example.com", False),
        ("https://a.example.org", True),
        ("https://a.b.example.org", True),
        ("https://example.org", False),
        ("https://evilexample.org", False),
        ("https://.example.org", False),
        ("http://a.example.org", False),
        ("https://a.example.org:8443", False),
        ("https://a.example.net:8443", True),
        ("https://a.example.net", False),
        ("https://xn--bcher-kva.example", True),
        ("chrome-extension://abcdef", True),
        ("chrome-extension://abcdeg", False),
        ("chrome-extension://here.example", False),
    ],
)
def test_list(origin: str, allowed: bool) -> None:
    """A listed origin is allowed exactly, and a wildcard stands for every sub-domain, but not for itself."""
    entries = [
        "https://Example.com",
        "https://*.example.org",
        "https://*.example.net:8443",
        "https://bücher.example",
        "chrome-extension://abcdef",
    ]
    check_allowed(entries)
    assert origin_allowed(origin, "here.example", "wss", entries) is allowed


@pytest.mark.parametrize(
    "entry", ["*", "null", "", "example.com", "*.example.com", "https://*", "https://a.*.com", "https://a/"]
)
def test_useless_entry(entry: str) -> None:
    """An entry that no origin can match is found at the start, not when users are locked out."""
    with pytest.raises(ConfigurationError) as caught:
        check_allowed(["https://example.com", entry])
    assert repr(entry) in str(caught.value)


def test_list_of_one_text() -> None:
    """One text in place of a list is found at the start too; no list is fine."""
    with pytest.raises(ConfigurationError):
        check_allowed("https://example.com")
    check_allowed(None)
