"""The script and the readiness endpoint, asked as a server asks."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from quart_stash.assets import Assets
from quart_stash.core.frames import Limits

from .live.pipe import in_virtual_time

LIMITS = Limits(1000, 5000)


async def ask(
    path: str, *, method: str = "GET", draining: bool = False, root: str = "", **headers: str
) -> tuple[int, dict[str, str], bytes] | None:
    """Return status, headers and body; `None` if the request is not for the assets."""
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    if not await Assets("/_stash").serve(scope, send, draining=lambda: draining):
        assert sent == []
        return None
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


def tag(**options: Any) -> str:
    return Assets("/_stash").tag(
        **{"root": "", "build": "b", "identity": "i", "limits": LIMITS, "nonce": None, **options}
    )


@in_virtual_time
async def test_the_script_under_its_digest_is_kept_for_ever() -> None:
    """The address in the script tag serves the script, as JavaScript, to be cached for good."""
    source = re.search(r'src="([^"]+)"', tag())
    assert source is not None
    answer = await ask(source[1])
    assert answer is not None
    status, headers, body = answer
    assert status == 200
    assert body == Assets("/_stash").scripts["quart-stash"]
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["content-length"] == str(len(body))
    assert "immutable" in headers["cache-control"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["quart-stash.0123456789abcdef.js", "quart-stash.js"])
@in_virtual_time
async def test_another_digest_gets_ours_uncached(name: str) -> None:
    """A digest of another release, or none, gets this release's script, which must not be kept under that name."""
    answer = await ask(f"/_stash/{name}")
    assert answer is not None
    assert answer[0] == 200
    assert answer[1]["cache-control"] == "no-cache"
    assert answer[2] == Assets("/_stash").scripts["quart-stash"]


@in_virtual_time
async def test_head() -> None:
    """HEAD has the headers of GET and no body."""
    head, get = await ask("/_stash/quart-stash.js", method="HEAD"), await ask("/_stash/quart-stash.js")
    assert head is not None
    assert get is not None
    assert head[:2] == get[:2]
    assert head[2] == b""


@in_virtual_time
async def test_not_modified() -> None:
    """Who has the script already is told so, without a body or a length of one."""
    answer = await ask("/_stash/quart-stash.js", if_none_match=f'"{Assets("/_stash").digest}"')
    assert answer is not None
    status, headers, body = answer
    assert (status, body) == (304, b"")
    assert "content-length" not in headers
    other = await ask("/_stash/quart-stash.js", if_none_match='"other"')
    assert other is not None
    assert other[0] == 200


@in_virtual_time
async def test_readiness() -> None:
    """Readiness is 200, and 503 with Retry-After while draining; nobody may cache it."""
    ready, draining = await ask("/_stash/ready"), await ask("/_stash/ready", draining=True)
    assert ready is not None
    assert draining is not None
    assert (ready[0], draining[0]) == (200, 503)
    assert draining[1]["retry-after"] == "1"
    assert ready[1]["cache-control"] == draining[1]["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/_stash/ready"), ("GET", "/_stash"), ("GET", "/_stash/"), ("GET", "/_stash/other.js"),
     ("GET", "/_stash/../quart-stash.js"), ("GET", "/"), ("GET", "/_stashed/ready")],
)  # fmt: skip
@in_virtual_time
async def test_everything_else_is_the_applications(method: str, path: str) -> None:
    """Other methods and paths are left to the application."""
    assert await ask(path, method=method) is None


@in_virtual_time
async def test_below_a_root_path() -> None:
    """An application that is mounted below a path finds its assets there, whether or not the path includes it."""
    assert await ask("/shop/_stash/ready", root="/shop") is not None
    assert await ask("/_stash/ready", root="/shop") is not None
    assert await ask("/_stash/ready", root="/") is not None
    assert 'src="/shop/_stash/quart-stash.' in tag(root="/shop")


def test_the_tag_is_escaped() -> None:
    """Nothing that goes into the tag gets out of its attribute."""
    evil = '"><script>alert(1)</script>'
    text = tag(build=evil, nonce=evil, identity=evil, root=evil)
    assert text.count("<") == text.count(">") == 2
    assert html.unescape(text).count(evil) == 4


def test_the_tag_holds_what_the_client_needs() -> None:
    """The tag is a module with identity, build and limits, and with a nonce only if there is one."""
    attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag(nonce="n1")))
    assert attributes["type"] == "module"
    assert attributes["data-identity"] == "i"
    assert attributes["data-build"] == "b"
    assert json.loads(html.unescape(attributes["data-limits"])) == {"message": 1000, "mount": 5000}
    assert attributes["nonce"] == "n1"
    assert "nonce" not in tag()


@pytest.mark.parametrize("name", ["quart-stash", "quart-stash-morph"])
@in_virtual_time
async def test_scripts_are_imported_by_name(name: str) -> None:
    """A page imports each script by its plain name, and asks again each time whether it is still that one."""
    answer = await ask(f"/_stash/{name}.js")
    assert answer is not None
    status, headers, body = answer
    assert (status, body) == (200, Assets("/_stash").scripts[name])
    assert headers["cache-control"] == "no-cache"
    assert await ask(f"/_stash/{name}-other.js") is None
