"""Profiles: what one is, what is wrong with one, and the SQLite file that they are saved in."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["BIO_LIMIT", "COUNTRIES", "VISIBILITIES", "Profile", "Profiles"]

BIO_LIMIT = 500
COUNTRIES = ("", "Argentina", "Canada", "France", "Germany", "India", "Japan", "Kenya", "Norway", "Uruguay")
VISIBILITIES = ("public", "members", "private")

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS profiles (
    user TEXT PRIMARY KEY, name TEXT, email TEXT, bio TEXT, country TEXT, newsletter TEXT, visibility TEXT
);
CREATE TABLE IF NOT EXISTS saves (key TEXT PRIMARY KEY, user TEXT NOT NULL);
"""
_SELECT = "SELECT name, email, bio, country, newsletter, visibility FROM profiles WHERE user = ?"
_REPLACE = """
INSERT OR REPLACE INTO profiles (user, name, email, bio, country, newsletter, visibility)
VALUES (:user, :name, :email, :bio, :country, :newsletter, :visibility)
"""


@dataclass(frozen=True)
class Profile:
    """One profile, as a form carries it: text only."""

    name: str = ""
    email: str = ""
    bio: str = ""
    country: str = ""
    newsletter: str = ""
    visibility: str = "members"

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> Profile:
        """Read what a browser sent. Line ends are made equal: a form post has other ones than a script."""
        values = {name: form.get(name, "").replace("\r\n", "\n") for name in asdict(cls())}
        return cls(**{name: value if name == "bio" else value.strip() for name, value in values.items()})

    def errors(self) -> dict[str, str]:
        """Return what is wrong, by field."""
        checks = [
            ("name", bool(self.name), "Please tell us your name."),
            ("name", len(self.name) <= 80, "80 characters at most."),
            ("email", _EMAIL.fullmatch(self.email), "This is not an e-mail address."),
            ("bio", len(self.bio) <= BIO_LIMIT, f"{len(self.bio) - BIO_LIMIT} characters too long."),
            ("country", self.country in COUNTRIES, "Please choose a country of the list."),
            ("visibility", self.visibility in VISIBILITIES, "Please choose one of the three."),
        ]
        return {field: message for field, fine, message in checks if not fine}


class Profiles:
    """The profiles in one SQLite file. Its methods block: call them in a thread."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        with closing(self._connect()) as database:
            database.executescript(_SCHEMA)

    def get(self, user: str) -> Profile:
        """Return a user's profile, or an empty one."""
        with closing(self._connect()) as database:
            row = database.execute(_SELECT, (user,)).fetchone()
        return Profile(*row) if row else Profile()

    def check(self, user: str, profile: Profile) -> dict[str, str]:
        """Return what is wrong with a profile, also what only the database can tell."""
        errors = profile.errors()
        if "email" not in errors:
            with closing(self._connect()) as database:
                query = "SELECT 1 FROM profiles WHERE email = ? COLLATE NOCASE AND user != ?"
                if database.execute(query, (profile.email, user)).fetchone():
                    errors["email"] = "Somebody else uses this address."
        return errors

    def save(self, user: str, profile: Profile, *, key: str) -> bool:
        """Save a profile, once for each `key`: a message comes again if a process died before it told.

        Returns:
            Whether it was saved now; otherwise it had been before.
        """
        # One transaction: the key and the profile, or neither.
        with closing(self._connect()) as database, database:
            new = database.execute(
                "INSERT OR IGNORE INTO saves (key, user) VALUES (?, ?)", (key, user)
            ).rowcount
            if new:
                database.execute(_REPLACE, {"user": user, **asdict(profile)})
        return bool(new)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)
