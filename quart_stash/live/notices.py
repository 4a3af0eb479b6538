"""What is said to whoever runs the application: each thing once, and where somebody sees it."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict

__all__ = ["Notices", "audible"]

logger: logging.Logger = logging.getLogger("quart_stash")

_SUBJECTS = 16  # of one sentence: what a client chooses, a path or an origin, may be endless


class Notices:
    """Says each sentence once for each subject, at its level; again only at DEBUG.

    A mistake in the application shows at every connection, and its clients come again. One line tells of it.
    """

    def __init__(self) -> None:
        self._said: defaultdict[str, set[str]] = defaultdict(set)

    def say(self, level: int, about: str, sentence: str, *args: object) -> None:
        """Log a sentence, the first time that it is said about this.

        Args:
            level: of the first time.
            about: its subject, such as a view's name; of each sentence 16 are told apart.
            sentence: with the placeholders of `logging`.
            args: for the placeholders.
        """
        said = self._said[sentence]
        new = about not in said and len(said) < _SUBJECTS
        if new:
            said.add(about)
        logger.log(level if new else logging.DEBUG, sentence, *args)


def audible() -> None:
    """Let our lines be seen where the application has set up no logging: Python shows none below WARNING."""
    if not logger.hasHandlers():
        ours = logger.level == logging.NOTSET
        logger.addHandler(_Fallback(ours))
        if ours:
            logger.setLevel(logging.INFO)


class _Fallback(logging.Handler):
    """Writes to stderr, and is silent from the moment on at which the application has set up logging."""

    def __init__(self, level_is_ours: bool) -> None:
        super().__init__()
        self._level_is_ours = level_is_ours
        self.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)s in %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if logger.handlers != [self] or (logger.propagate and logging.getLogger().hasHandlers()):
            if self._level_is_ours:
                self._level_is_ours = False
                logger.setLevel(logging.NOTSET)
            return
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # whatever stderr is: a line is no reason to fail
            self.handleError(record)
