"""What stands between the server and us: error trackers, tracing, other frameworks, middleware."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.servers.harness import HYPERCORN, HYPERCORN_2, UVICORN, Server, Setup

from .deploy import PEERS, deploy

APPS = "tests.neighbours.apps"
WRAPPED = ("with_sentry", "with_opentelemetry", "with_opentelemetry_inside", "with_opaque", "with_fastapi")


def around(setup: Setup, app: str, **changes: Any) -> Setup:
    """Return a set-up that serves one neighbour."""
    return replace(setup, app=f"{APPS}.{app}", **changes)


@pytest.mark.parametrize("app", WRAPPED)
@pytest.mark.parametrize("setup", [HYPERCORN, UVICORN], ids=lambda setup: setup.name)
async def test_whatever_wraps_send(setup: Setup, app: str, tmp_path: Path) -> None:
    """Whatever stands between the server and us, a SIGTERM is noticed, and nobody sees the deploy."""
    done = await deploy(around(setup, app), tmp_path)
    done.was_noticed()
    assert done.hooks() == (1, 1)


async def test_several_workers(tmp_path: Path) -> None:
    """Each of several workers is told, too."""
    done = await deploy(around(HYPERCORN_2, "with_sentry"), tmp_path)
    done.was_noticed()
    assert done.hooks() == (2, 2)
    assert len(done.first_lines) == 2


@pytest.mark.parametrize("setup", [HYPERCORN, UVICORN], ids=lambda setup: setup.name)
async def test_mounted_in_starlette(setup: Setup, tmp_path: Path) -> None:
    """Quart mounted in Starlette, whose lifespan calls `startup` and `shutdown`: as if it were served alone."""
    done = await deploy(around(setup, "in_starlette", mount="/live"), tmp_path)
    done.was_noticed()
    assert done.hooks() == (1, 1)


@pytest.mark.parametrize("setup", [HYPERCORN, UVICORN], ids=lambda setup: setup.name)
async def test_mounted_in_fastapi(setup: Setup, tmp_path: Path) -> None:
    """Quart mounted in FastAPI, where no lifespan reaches it: its hooks don't run, and nobody sees the deploy."""
    done = await deploy(around(setup, "in_fastapi", mount="/live", late=True), tmp_path)
    done.was_noticed()
    assert done.hooks() == (0, 0)


async def test_quart_auth(tmp_path: Path) -> None:
    """Views of users that Quart-Auth knows are handed back as others are."""

    async def log_in(server: Server, n: int) -> dict[str, Any]:
        _, headers, _ = await server.get(f"/login/user{n}", "POST")
        return {"headers": {"Cookie": headers["set-cookie"].partition(";")[0]}}

    done = await deploy(around(HYPERCORN, "with_quart_auth"), tmp_path, view="/mine", peer=log_in)
    done.was_noticed()
    assert [client.got[1] for client in done.clients] == [f"user{n}: a b" for n in range(PEERS)]


async def test_quart_schema(tmp_path: Path) -> None:
    """Quart-Schema changes the application's classes, and nothing for its views."""

    async def count(server: Server) -> None:
        assert (await server.get("/count"))[2] == f'{{"live":{PEERS}}}\n'

    done = await deploy(around(HYPERCORN, "with_quart_schema"), tmp_path, before=count)
    done.was_noticed()
