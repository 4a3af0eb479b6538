"""The Origin decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core import origin as origins
from quart_stash.core.handshake import MAX_HOST, header, host_of, requested_path
from quart_stash.core.origin import Origins
from quart_stash.errors import ConfigurationError


def origin_allowed(origin: str | None, host: str | None, scheme: str, allowed: list[str] | None) -> bool:
    return Origins(allowed).allow(origin, host, scheme)


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


@pytest.mark.parametrize("allowed", [None, [], ["https://example.com"]])
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
    allowed = ["https://example.com", "https://*.example.com"]
    assert not origin_allowed(origin, "example.com", "wss", allowed)
    assert not origin_allowed(origin, origin.removeprefix("https://"), "wss", allowed)


@given(st.text(), st.none() | st.text(), st.text())
def test_never_raises(origin: str, host: str | None, scheme: str) -> None:
    """Whatever the headers are, there is a decision."""
    some = Origins(["https://example.com", "https://*.bücher.example"])
    for prefix in ("", "https://", "https://["):
        assert some.allow(prefix + origin, host, scheme) in (True, False)


@given(st.lists(st.tuples(st.sampled_from([b"Host", b"host", b"origin", b"x"]), st.binary())), st.binary())
def test_any_bytes_for_a_handshake(headers: list[tuple[bytes, bytes]], raw_path: bytes) -> None:
    """Whatever bytes stand in the headers and the target, they are read, and nothing raises."""
    assert Origins().allow(header(headers, b"origin"), header(headers, b"host"), "ws") in (True, False)
    assert host_of(headers) == host_of(headers).lower()
    assert requested_path(raw_path, "").isascii()


@pytest.mark.parametrize(
    "text", ["ü", "\u0661", "x" * 400, "a." * 30_000, "ü" * 60_000], ids=lambda t: f"{t[:2]}{len(t)}"
)
def test_what_no_browser_sends_is_refused_before_any_work(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name beyond ASCII or too long is refused, in the Origin and in the Host, and nothing parses it."""
    some = Origins([f"https://*.{text}.example"] if len(text) < 9 else None)
    monkeypatch.setattr(origins, "_parse_host", lambda _: pytest.fail("it was parsed"))
    assert not some.allow(f"https://{text}.example", "example.com", "wss")
    assert not some.allow("https://example.com", f"{text}.example", "wss")
    assert not some.allow(None, f"{text}.example", "wss")


def test_the_longest_names_are_fine() -> None:
    """The longest name that DNS has is accepted, with a port."""
    host = ("x" * 61 + ".") * 4 + "is.it" + ":65535"
    assert len(host) == MAX_HOST
    assert Origins().allow(f"https://{host}", host, "wss")


def test_the_list_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake parses what it brought itself, and not the list of allowed origins again."""
    some = Origins([f"https://{number}.example" for number in range(100)])
    parsed: list[str] = []
    parse = origins._parse_host

    def seen(text: str) -> tuple[str, int | None] | None:
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(origins, "_parse_host", seen)
    assert some.allow("https://99.example", "here.example", "wss")
    assert parsed == ["99.example", "here.example"]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ([(b"Origin", b"https://a.example"), (b"Host", b"a.example")], True),
        ([(b"origin", b"https://a.example"), (b"host", b"a.example"), (b"host", b"a.example")], True),
        ([(b"origin", b"https://a.example"), (b"host", b"a.example"), (b"host", b"b.example")], False),
        (
            [(b"origin", b"https://a.example"), (b"origin", b"https://b.example"), (b"host", b"a.example")],
            False,
        ),
    ],
)
def test_headers_that_come_twice(headers: list[tuple[bytes, bytes]], allowed: bool) -> None:
    """Two Origins or two Hosts that differ are refused, in any order: nobody can tell which one is meant."""
    for order in (headers, headers[::-1]):
        assert Origins().allow(header(order, b"origin"), header(order, b"host"), "wss") is allowed


@pytest.mark.parametrize(
    ("raw", "path", "same"),
    [
        (b"/room/a", "/room/a", "/room/a"),
        (b"/room/%61?x=1", "/room/a", "/room/a"),
        (b"/room/%c3%bc", "/room/ü", "/room/%C3%BC"),
        (None, "/room/ü", "/room/%C3%BC"),
        (None, "/room/a", "/room/a"),
        (b"/room/\xc3\xbc", "/room/ü", "/room/%C3%BC"),
        (b"/a%2Fb", "/a/b", "/a%2Fb"),
        (b"/a/b", "/a/b", "/a/b"),
        (b"/a/", "/a/", "/a/"),
        (b"/100%", "/100%", "/100%"),
    ],
)
def test_a_path_is_one_text_however_it_is_escaped(raw: bytes | None, path: str, same: str) -> None:
    """Escapes that change nothing are undone, an escaped slash is none, and a slash at the end counts."""
    assert requested_path(raw, path) == same


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
    assert origin_allowed(origin, "here.example", "wss", entries) is allowed


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "null",
        "",
        "example.com",
        "*.example.com",
        "https://*",
        "https://a.*.com",
        "https://a/",
        "https://straße.example",
        "https://" + "ü" * 100,
    ],
)
def test_useless_entry(entry: str) -> None:
    """An entry that no origin can match is found at the start, not when users are locked out."""
    with pytest.raises(ConfigurationError) as caught:
        Origins(["https://example.com", entry])
    assert repr(entry) in str(caught.value)


def test_list_of_one_text() -> None:
    """One text in place of a list is found at the start too; no list is fine."""
    with pytest.raises(ConfigurationError):
        Origins("https://example.com")
    Origins(None)
