"""Fixtures and hooks that every test may use."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=10_000)
settings.load_profile("untimed")


@pytest.fixture(scope="module", autouse=True)
def _sweep() -> None:
    """Let no collection look again at what earlier modules have left.

    One of all that has taken five seconds. A server gives a client up that says nothing for as long.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments: dict[str, Any] = {
        name: pyfuncitem.funcargs[name] for name in wanted if name in pyfuncitem.funcargs
    }
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
