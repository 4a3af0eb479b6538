"""The testing kit's tab against real servers: it goes on by itself through deploys, kills and reloads."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

from tests.servers.harness import HYPERCORN, eventually, listening, serving
from tests.tab import Tab


async def test_a_tab_goes_on_by_itself(tmp_path: Path) -> None:
    """Through a deploy, a kill, a reload and a copy, each message counts once, and the page is told what it should be."""
    answers: list[dict[str, Any]] = []
    events: list[str] = []
    with listening() as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/items/1"
        tab = Tab(
            url,
            message=lambda data: answers.append(json.loads(data)),
            event=lambda name, _: events.append(name),
            random=random.Random(1),
        )
        async with serving(HYPERCORN, tmp_path / "1", listener=listener) as old:
            tab.start()
            tab.send("a")
            await eventually(lambda: answers, "the first answer")
            async with serving(HYPERCORN, tmp_path / "2", listener=listener) as new:
                old.signal()
                tab.send("b")
                await old.exited()
                await eventually(lambda: len(answers) == 2, "the second answer")
                assert "synced" in events and "lost" not in events
                tab.send("c")
                await eventually(lambda: len(answers) == 3, "the third answer")
                new.signal_group(signal.SIGKILL)
                tab.send("d")
        async with serving(HYPERCORN, tmp_path / "3", listener=listener):
            await eventually(lambda: answers[-1]["number"] == 4, "the answer of the next process")
            await tab.reload()
            tab.send("e")
            await eventually(lambda: answers[-1]["number"] == 5, "the answer after the reload")
            copy = tab.duplicate()
            copy.start()
            copy.send("f")
            await eventually(lambda: answers[-1]["items"][-1] == "f", "the copy's answer")
            tab.send("g")
            await eventually(lambda: answers[-1]["items"][-1] == "g", "the original's answer")
            await copy.close()
            await tab.close()
    assert answers[-1]["items"] == ["a", "b", "c", "d", "e", "g"]
    assert events[-1] == "over"
