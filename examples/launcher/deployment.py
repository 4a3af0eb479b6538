"""A deployment: real steps that write real files, each of which may be done twice.

A step that was interrupted is simply done again, by whichever process has the view then. The files hold what
a server may keep of a secret, its hash, and the last step proves that the secrets at hand are the ones that
went in.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

__all__ = ["Deployment", "Failed", "Secrets", "new_secrets", "steps"]

Secrets = dict[str, str]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_BLOCK = bytes(range(256)) * 256


class Failed(Exception):
    """The deployment can't go on, and why."""


def new_secrets() -> Secrets:
    """Make the secrets of a deployment. Nobody but its owner's browser keeps them."""
    return {"admin_password": secrets.token_urlsafe(15), "api_token": secrets.token_hex(20)}


@dataclass(frozen=True)
class Deployment:
    """One deployment.

    Attributes:
        root: where the deployments are.
        name: what it is called.
        owner: tells it from others of that name.
        secrets: in memory only.
    """

    root: Path
    name: str
    owner: str
    secrets: Secrets = field(repr=False)

    @property
    def folder(self) -> Path:
        """What it consists of."""
        return self.root / self.name

    def reserve(self) -> None:
        """Take the name, unless somebody else has it."""
        if not _NAME.fullmatch(self.name):
            raise Failed("A name has small letters, digits and hyphens, and begins with a letter.")
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self._draft("owner", self.owner)
        try:
            os.link(draft, self.folder / "owner")  # whole, and only if there is none
        except FileExistsError:
            if (self.folder / "owner").read_text() != self.owner:
                raise Failed(f"The name {self.name} is taken.") from None
        finally:
            draft.unlink()

    def set_password(self) -> None:
        """Let the administrator in: only the hash of the password is written."""
        salt = secrets.token_bytes(16)
        self._write("password.json", {"salt": salt.hex(), "hash": self._hash(salt)})

    def register_token(self) -> None:
        """Let the API token in, by its digest."""
        self._write("token.json", {"sha256": self._digest()})

    def write_part(self, number: int) -> None:
        """Write one part of the data."""
        self._write(f"part-{number}.json", {"sha256": hashlib.sha256(_BLOCK * (number + 1)).hexdigest()})

    def check(self) -> None:
        """Log in with the secrets at hand."""
        password = json.loads((self.folder / "password.json").read_text())
        token = json.loads((self.folder / "token.json").read_text())
        if not (
            hmac.compare_digest(password["hash"], self._hash(bytes.fromhex(password["salt"])))
            and hmac.compare_digest(token["sha256"], self._digest())
        ):
            raise Failed("The secrets do not fit what was deployed.")

    def _hash(self, salt: bytes) -> str:
        return hashlib.scrypt(self.secrets["admin_password"].encode(), salt=salt, n=2**14, r=8, p=1).hex()

    def _digest(self) -> str:
        return hashlib.sha256(self.secrets["api_token"].encode()).hexdigest()

    def _write(self, name: str, value: dict[str, str]) -> None:
        """Write a file whole, or not at all."""
        self._draft(name, json.dumps(value)).replace(self.folder / name)

    def _draft(self, name: str, text: str) -> Path:
        draft = self.folder / f".{name}.{secrets.token_hex(4)}"
        draft.write_text(text)
        return draft


def steps(parts: int) -> list[tuple[str, Callable[[Deployment], None]]]:
    """Return the steps: what each is called, and what it does. They block: call them in a thread."""
    return [
        ("Reserving the name", Deployment.reserve),
        ("Setting the password", Deployment.set_password),
        ("Registering the API token", Deployment.register_token),
        *(
            (f"Writing part {n + 1} of {parts}", partial(Deployment.write_part, number=n))
            for n in range(parts)
        ),
        ("Logging in", Deployment.check),
    ]
