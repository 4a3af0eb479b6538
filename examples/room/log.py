"""What was said in the room, in order: a table that all processes of this machine write to and read from."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Log", "Note"]

LOOK_SECONDS = 0.1
"""How often the log looks whether another process has written."""

TABLE = """
    CREATE TABLE IF NOT EXISTS notes (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL, text TEXT NOT NULL
    )
"""


@dataclass(frozen=True)
class Note:
    """One thing that was said.

    Attributes:
        id: 1, 2, 3 … in the order of the log: the cursor.
    """

    id: int
    name: str
    text: str


class Log:
    """The log. It wakes those who wait for news, whichever process has written them.

    Args:
        path: of the SQLite file.

    Attributes:
        changed: is set, and replaced, when something is new.
    """

    def __init__(self, path: Path) -> None:
        self.changed = asyncio.Event()
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(TABLE)
        self._watching = asyncio.create_task(self._watch())

    def add(self, key: str, name: str, text: str) -> None:
        """Write a note, once: a message that comes again after a crash has the same key."""
        row = (key, name, text)
        # Not by `ON CONFLICT` alone: a note that is there already would still use up an id.
        self._database.execute(
            "INSERT INTO notes (key, name, text) SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM notes WHERE key = ?)",
            (*row, key),
        )
        self._wake()

    def since(self, cursor: int, limit: int = -1) -> list[Note]:
        """Return the notes after a cursor, in order."""
        rows = self._database.execute(
            "SELECT id, name, text FROM notes WHERE id > ? ORDER BY id LIMIT ?", (cursor, limit)
        )
        return [Note(*row) for row in rows]

    def last(self) -> int:
        """Return the newest cursor."""
        return int(self._database.execute("SELECT coalesce(max(id), 0) FROM notes").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._watching.cancel()
        self._database.close()

    async def _watch(self) -> None:
        """Notice what other processes write. One look serves all views."""
        seen = None
        while True:
            if (version := self._version()) != seen:
                seen = version
                self._wake()
            await asyncio.sleep(LOOK_SECONDS)

    def _version(self) -> int:
        """Return a number that changes when another connection has written."""
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()
