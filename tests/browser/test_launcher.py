"""`examples/launcher` in Chromium: reload, deploy and kill in mid-deployment, and who knows the secrets afterwards."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.fleet import Fleet, connected, fleet, tab

APP = "examples.launcher.app"
ORDERS = list(itertools.permutations(["reload", "deploy", "kill"]))


async def progress(page: Page, beyond: int = 0) -> int:
    """Wait until the deployment has come further than `beyond`; return how far."""
    await page.wait_for_function(
        "n => +document.getElementById('progress').value > n || "
        "document.getElementById('launcher').dataset.shows === 'done'",
        arg=beyond,
    )
    return int(await page.evaluate("document.getElementById('progress').value"))


async def launch(page: Page, name: str) -> None:
    """Start a deployment, as a user does."""
    await connected(page)
    await page.fill("#name", name)
    await page.click("#launch")
    await progress(page)


async def shown(page: Page) -> dict[str, str]:
    """Wait for the end, and return the secrets that the page shows."""
    await page.wait_for_selector("#launcher[data-shows=done]", timeout=60_000)
    return {key: await page.inner_text(f"#{key}") for key in ("admin_password", "api_token")}


def fits(folder: Path, secrets: dict[str, str]) -> bool:
    """Whether these secrets are the ones that were deployed."""
    password = json.loads((folder / "password.json").read_text())
    token = json.loads((folder / "token.json").read_text())
    salt = bytes.fromhex(password["salt"])
    hashed = hashlib.scrypt(secrets["admin_password"].encode(), salt=salt, n=2**14, r=8, p=1).hex()
    return bool(
        password["hash"] == hashed
        and token["sha256"] == hashlib.sha256(secrets["api_token"].encode()).hexdigest()
    )


def leaks(folder: Path, secrets: dict[str, str]) -> list[str]:
    """Return the files below `folder` (the server's files and logs) in which a secret stands."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets.values())
    ]


async def interrupt(how: str, servers: Fleet, page: Page) -> None:
    """Interrupt the deployment in one way, and wait until it is on its way again."""
    step = await progress(page)
    if how == "reload":
        await page.reload()
    else:
        await getattr(servers, how)()
    await connected(page)
    await progress(page, beyond=step)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_interrupted(order: tuple[str, ...], tmp_path: Path) -> None:
    """In whatever order it is interrupted, a deployment ends with its secrets, and the server has none of them."""
    environment = {"QUART_DEPLOYMENTS": str(tmp_path / "deployments"), "LAUNCHER_STEP_SECONDS": "1.5"}
    async with (
        fleet(APP, tmp_path, **environment) as servers,
        tab(f"http://127.0.0.1:{servers.port}/") as page,
    ):
        await launch(page, "shop")
        stored = ""
        for how in order:
            await interrupt(how, servers, page)
            stored = await page.evaluate("JSON.stringify({...sessionStorage})")
        assert await page.get_attribute("#launcher", "data-shows") == "running", "too quick to be interrupted"
        servers.environment["LAUNCHER_STEP_SECONDS"] = "0.05"
        await servers.deploy()
        secrets = await shown(page)
        assert fits(tmp_path / "deployments" / "shop", secrets)
        assert leaks(tmp_path, secrets) == []
        assert not any(secret in stored for secret in secrets.values())
        assert "secret:" in stored
        await page.screenshot(path=tmp_path / "launcher.png")


async def test_forgotten(tmp_path: Path) -> None:
    """Acknowledged secrets are forgotten by the tab too, and another tab never had them."""
    environment = {"QUART_DEPLOYMENTS": str(tmp_path / "deployments"), "LAUNCHER_STEP_SECONDS": "0.05"}
    async with (
        fleet(APP, tmp_path, **environment) as servers,
        tab(f"http://127.0.0.1:{servers.port}/") as page,
    ):
        await launch(page, "shop")
        await shown(page)
        async with tab(f"http://127.0.0.1:{servers.port}/") as other:
            await connected(other)
            assert await other.is_visible("#launch-form")
        await page.click("#acknowledge")
        await page.wait_for_selector("#launcher[data-shows=idle]")
        assert ":secret:" not in await page.evaluate("JSON.stringify({...sessionStorage})")
        await page.reload()
        await connected(page)
        assert await page.is_visible("#launch-form")


async def test_failed(tmp_path: Path) -> None:
    """A deployment that fails says why, and its secrets are forgotten."""
    taken = tmp_path / "deployments" / "shop"
    taken.mkdir(parents=True)
    (taken / "owner").write_text("somebody else")
    environment = {"QUART_DEPLOYMENTS": str(tmp_path / "deployments"), "LAUNCHER_STEP_SECONDS": "0.05"}
    async with (
        fleet(APP, tmp_path, **environment) as servers,
        tab(f"http://127.0.0.1:{servers.port}/") as page,
    ):
        await connected(page)
        await page.fill("#name", "shop")
        await page.click("#launch")
        await page.wait_for_selector("#launcher[data-shows=failed]")
        assert "taken" in await page.inner_text("#problem")
        assert ":secret:" not in await page.evaluate("JSON.stringify({...sessionStorage})")
