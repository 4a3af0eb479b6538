"""The tabs of the soak: Chromium, typing into a form whose every keystroke is also a message."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from string import ascii_lowercase

from playwright.async_api import Error, Page

from benchmarks.soak.crowd import Answer
from benchmarks.soak.ledger import Ledger
from tests.browser.fleet import connected, witnessed

FIELD = "#note"


class Typist:
    """One tab, into which somebody types.

    Attributes:
        text: what has been typed.
        lost: keystrokes that are not in the field.
    """

    def __init__(self, page: Page, ledger: Ledger, rng: random.Random) -> None:
        self.page = page
        self.text = ""
        self.lost = 0
        self._ledger = ledger
        self._rng = rng
        self._hands = asyncio.Lock()
        self._stopped = False
        self._seen = 0

    async def type(self) -> None:
        """Type, until it is stopped."""
        await self.page.focus(FIELD)
        while not self._stopped:
            async with self._hands:
                letter = self._rng.choice(ascii_lowercase)
                await self.page.keyboard.type(letter)
                self.text += letter
            await asyncio.sleep(self._rng.uniform(0.1, 0.3))

    def stop(self) -> None:
        """Type no more letters: one that is on its way to the page is in it."""
        self._stopped = True

    async def check(self) -> None:
        """Compare the field with what was typed."""
        async with self._hands:
            await self._compare()

    async def reload(self) -> None:
        """Load the page anew, in the middle of it, and go on typing where the caret was."""
        async with self._hands:
            while True:
                try:
                    answer = await self.page.reload(timeout=10_000)
                except Error as error:  # a proxy that has just been ended, say
                    if not any(known in str(error) for known in ("net::", "Timeout", "Not attached")):
                        raise
                    continue
                if answer is not None and answer.ok:
                    break
                await asyncio.sleep(0.2)  # no server is there: a proxy says so
            await self._compare()
            await self.page.focus(FIELD)
            await self.page.eval_on_selector(FIELD, "field => field.setSelectionRange(1e6, 1e6)")

    async def answer(self) -> Answer:
        """Return what the page's view said last."""
        said = await self.page.inner_text("#state")
        return Answer.read(said) if said else Answer()

    async def settled(self) -> None:
        """Wait until every keystroke has been answered."""
        said = "text => document.getElementById('state').textContent.startsWith(text)"
        await self.page.wait_for_function(said, arg=f"{len(self.text)} ", timeout=0)

    async def look(self) -> bool:
        """Take note of what the page has shown so far; returns whether it is connected."""
        try:
            async with self._hands, asyncio.timeout(0.5):
                await connected(self.page)
                self._seen = len(await witnessed(self.page))
        except TimeoutError:
            return False
        return True

    async def saw(self) -> bool:
        """Return whether the page has shown a disconnection since `look`."""
        async with self._hands:
            return "reconnecting" in (await witnessed(self.page))[self._seen :]

    async def _compare(self) -> None:
        there = await self.page.input_value(FIELD)
        if there != self.text:
            self.lost += abs(len(self.text) - len(there)) or 1
            at = next((n for n, (a, b) in enumerate(zip(there, self.text, strict=False)) if a != b), -1)
            self._ledger.defect(f"a field holds {len(there)} letters of {len(self.text)}, other from {at}")
            self.text = there


class Typists:
    """All tabs."""

    def __init__(self, typists: Sequence[Typist]) -> None:
        self.all = typists

    @property
    def typed(self) -> int:
        """Keystrokes."""
        return sum(len(typist.text) for typist in self.all)

    @property
    def lost(self) -> int:
        """Keystrokes that are not in their fields."""
        return sum(typist.lost for typist in self.all)

    def stop(self) -> None:
        """Type no more."""
        for typist in self.all:
            typist.stop()

    async def check(self) -> None:
        """Compare every field with what was typed."""
        await asyncio.gather(*(typist.check() for typist in self.all))

    async def reload(self, rng: random.Random) -> None:
        """Load one of the pages anew."""
        if self.all:
            await rng.choice(self.all).reload()

    async def look(self) -> list[Typist]:
        """Return the tabs that are connected, to be watched from now on."""
        seen = await asyncio.gather(*(typist.look() for typist in self.all))
        return [typist for typist, well in zip(self.all, seen, strict=True) if well]
