"""What is said to whoever runs the application: once, and where somebody sees it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

from quart_stash.asgi import StashMiddleware
from quart_stash.live.notices import Notices

from .pipe import SECRET, in_virtual_time


def test_a_sentence_is_said_once_for_each_subject(caplog: pytest.LogCaptureFixture) -> None:
    """The first time it has its level, then DEBUG; of each sentence sixteen subjects are told apart, whatever comes."""
    notices = Notices()
    with caplog.at_level(logging.DEBUG, "quart_stash"):
        for number in range(100):
            notices.say(logging.ERROR, str(number % 50), "no view at %d", number % 50)
        notices.say(logging.WARNING, "0", "another sentence about 0")
    loud = [
        (record.levelname, record.getMessage()) for record in caplog.records if record.levelno > logging.DEBUG
    ]
    assert loud == [("ERROR", f"no view at {number}") for number in range(16)] + [
        ("WARNING", "another sentence about 0")
    ]
    assert len(caplog.records) == 101


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Callable[[], logging.Logger]:
    """Return what makes the logger `quart_stash` as it is where nobody has set up logging, pytest included."""

    def forget() -> logging.Logger:
        logger = logging.getLogger("quart_stash")
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        monkeypatch.setattr(logger, "handlers", [])
        logger.setLevel(logging.NOTSET)
        return logger

    return forget


async def served() -> None:
    """Let a bare application be served, with its lifespan."""
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})

    async def receive() -> Any:
        return {"type": next(events)}

    async def send(event: Any) -> None:
        pass

    await StashMiddleware(app, secret_key=SECRET)({"type": "lifespan"}, receive, send)


@in_virtual_time
async def test_the_log_of_the_middleware_is_seen(
    unconfigured: Callable[[], logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody has set up logging our lines go to stderr, each once, for the middleware as for the extension."""
    unconfigured()
    await served()
    await served()
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "INFO in quart_stash: shutdown" in line]) == 2


@in_virtual_time
async def test_logging_that_is_set_up_is_left_alone(
    unconfigured: Callable[[], logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is a handler nothing is added, no level is set, and nothing that the application hides is shown."""
    logger = unconfigured()
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    await served()
    assert (logger.handlers, logger.level) == ([], logging.NOTSET)
    assert capsys.readouterr().err == ""


@in_virtual_time
async def test_logging_that_is_set_up_late(
    unconfigured: Callable[[], logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    """A handler of the application that comes later has the lines to itself, and its level holds from then on."""
    logger = unconfigured()
    await served()
    capsys.readouterr()
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    logger.info("one")
    logger.info("two")
    logger.warning("three")
    assert capsys.readouterr().err == "one\nthree\n"


@in_virtual_time
async def test_a_level_without_a_handler(
    unconfigured: Callable[[], logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the application has set only our logger's level, that level holds for stderr, and stays its own."""
    logger = unconfigured()
    logger.setLevel(logging.ERROR)
    await served()
    logger.error("one")
    assert [line.partition(" in ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "quart_stash: one"
    ]
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    logger.error("two")
    assert (capsys.readouterr().err, logger.level) == ("two\n", logging.ERROR)
    logger.setLevel(logging.NOTSET)
