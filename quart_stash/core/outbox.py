"""The client's messages that no token covers yet, in order. The twin of `js/src/outbox.js`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Data", "Entry", "Outbox"]

Data = str | bytes


@dataclass(slots=True)
class Entry:
    """One message.

    Attributes:
        number: 1, 2, 3 … over the view's whole life.
        data: what it carries; `None` is a void one, which only keeps its number.
        secret: whether it must stay out of storage.
        strikes: how many ends of a connection it may have been the cause of.
    """

    number: int
    data: Data | None
    secret: bool = False
    strikes: int = 0


class Outbox:
    """A run of messages, from `received + 1` to `sent`.

    Attributes:
        received: number of the newest message that needs no replay.
    """

    __slots__ = ("_entries", "received")

    def __init__(self, received: int = 0, messages: Sequence[Data | None] = ()) -> None:
        self.received: int = received
        self._entries: list[Entry] = []
        for data in messages:
            self.add(data)

    @property
    def sent(self) -> int:
        """Number of the newest message."""
        return self.received + len(self._entries)

    @property
    def pending(self) -> bool:
        """Whether there is a message that no token covers; a void one carries nothing."""
        return any(entry.data is not None for entry in self._entries)

    def add(self, data: Data | None, *, secret: bool = False) -> Entry:
        """Number a new message and keep it."""
        entry = Entry(self.sent + 1, data, secret)
        self._entries.append(entry)
        return entry

    def trim(self, received: int) -> None:
        """Drop what a token covers."""
        if received > self.received:
            del self._entries[: received - self.received]
            self.received = received

    def drop(self, number: int) -> None:
        """Drop messages up to `number`, which are somebody else's to send; those after them move up."""
        del self._entries[: max(0, number - self.received)]
        for index, entry in enumerate(self._entries):
            entry.number = self.received + index + 1

    def void(self, number: int) -> None:
        """Empty the outbox of a message and keep its number."""
        if self.received < number <= self.sent:
            self._entries[number - self.received - 1].data = None

    def reset(self, received: int) -> list[Entry]:
        """Take out everything and start counting at `received`; return what was in it and not void."""
        entries = [entry for entry in self._entries if entry.data is not None]
        self._entries = []
        self.received = received
        return entries

    def after(self, number: int | None = None) -> list[Entry]:
        """Return the messages after `number`; all of them, unless it is given."""
        return self._entries[0 if number is None else max(0, number - self.received) :]

    def is_progress(self, received: int) -> bool:
        """Whether a token of so many messages covers one more that has not failed.

        A token alone is none: a handler may send one, and fail, at each mount, also on what the page sends there.
        """
        return any(entry.number <= received and entry.data is not None for entry in self._entries)

    def stored(self) -> tuple[Data | None, ...]:
        """Return what storage may hold: a secret is void there."""
        return tuple(None if entry.secret else entry.data for entry in self._entries)
