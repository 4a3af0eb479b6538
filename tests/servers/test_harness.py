"""What the harness takes for trouble in a server's log."""

from __future__ import annotations

from tests.servers.harness import KNOWN, TROUBLE

PYTHONS_OWN = """\
1 quart_stash INFO drained: 5 of 5 synced, 0 timed out, in 0.1 s
Exception ignored in: <function _SelectorTransport.__del__ at 0x7f3c64e4c2c0>
Traceback (most recent call last):
  File "/lib/python3.13/asyncio/selector_events.py", line 872, in __del__
    self._server._detach(self)
  File "/lib/python3.13/asyncio/base_events.py", line 304, in _detach
    self._wakeup()
  File "/lib/python3.13/asyncio/base_events.py", line 309, in _wakeup
    for waiter in waiters:
TypeError: 'NoneType' object is not iterable
"""


def test_pythons_own_race_is_known() -> None:
    """The one traceback that Python itself leaves is no trouble; any other is, also one beside it."""
    assert not TROUBLE.search(KNOWN.sub("", PYTHONS_OWN))
    other = "Traceback (most recent call last):\n  File \"app.py\"\nTypeError: 'NoneType' object is not iterable\n"
    assert TROUBLE.search(KNOWN.sub("", PYTHONS_OWN + other))
