"""The bookings, in an SQLite file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["Bookings"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bookings (
    number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, user TEXT NOT NULL, trip TEXT NOT NULL
)
"""


class Bookings:
    """The bookings in one SQLite file. Its methods block: call them in a thread."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        with closing(self._connect()) as database:
            database.executescript(_SCHEMA)

    def book(self, user: str, trip: dict[str, Any], *, key: str) -> int:
        """Book a trip, once for each `key`: a message comes again if a process died before it told.

        Returns:
            The booking's number, the same each time.
        """
        with closing(self._connect()) as database, database:
            database.execute(
                "INSERT INTO bookings (key, user, trip) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (key, user, json.dumps(trip)),
            )
            found: tuple[int] = database.execute(
                "SELECT number FROM bookings WHERE key = ?", (key,)
            ).fetchone()
        return found[0]

    def get(self, user: str, number: int) -> dict[str, Any] | None:
        """Return a booking of this user."""
        with closing(self._connect()) as database:
            query = "SELECT trip FROM bookings WHERE number = ? AND user = ?"
            row = database.execute(query, (number, user)).fetchone()
        return json.loads(row[0]) if row else None

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)
