"""What must be true of a tab, whatever has happened: the guarantee, as a model too simple to be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Broken", "Oracle", "fold"]

RAISES = "r"
"""What the handler raises on, before it has done anything. The other kinds of messages have their effect."""


class Broken(AssertionError):
    """The guarantee does not hold."""


def fold(log: list[str | None]) -> list[str]:
    """Return the state after these messages, in order: those that have an effect."""
    return [message for message in log if message is not None and message[0] != RAISES]


@dataclass
class Oracle:
    """What one tab's page knows: what it has sent, and what it was told.

    Attributes:
        log: the view's messages by number; `None` is one that was given up, or was a secret of a page that is gone.
        told: the numbers that the page was told have failed.
        lost: messages that the page was told are lost.
        over: whether the view has finished.
    """

    log: list[str | None] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    over: bool = False

    def send(self, data: str) -> None:
        """The page sends a message."""
        self.log.append(data)

    def failed(self, number: int, *, given_up: bool) -> None:
        """The page is told that a message has failed: its handler raised, or it was given up."""
        if number > len(self.log):
            raise Broken(f"message {number} has failed, and was never sent")
        self.told.append(number)
        if given_up:
            self.log[number - 1] = None

    def held(self, covered: int) -> list[str | None]:
        """Return the messages beyond those that a token covers. Of one that has failed the page has heard already."""
        return [
            None if number in self.told else self.log[number - 1]
            for number in range(covered + 1, len(self.log) + 1)
        ]

    def loses(self, expected: list[str | None], said: list[str]) -> None:
        """Messages are dropped; the page must be told of each that it has not given up."""
        if [message for message in expected if message is not None] != said:
            raise Broken(f"dropped {expected}, and the page was told of {said}")
        self.lost += said

    def check_token(self, received: int, words: list[str]) -> None:
        """A token that the tab holds is the state after exactly its first `received` messages."""
        if received > len(self.log):
            raise Broken(f"a token covers {received} messages; {len(self.log)} were sent")
        if words != fold(self.log[:received]):
            raise Broken(f"a token holds {words} after {self.log[:received]}")

    def check_end(self, received: int, words: list[str]) -> None:
        """When all is quiet, the server's state is that after all messages, and each that failed was told."""
        if received != len(self.log):
            raise Broken(f"the state counts {received} messages of {len(self.log)}")
        self.check_token(received, words)
        untold = [
            number
            for number, message in enumerate(self.log, 1)
            if message is not None and message[0] == RAISES and number not in self.told
        ]
        if untold:
            raise Broken(f"{untold} have failed, and the page was not told")
