"""What it takes to seal and to open a token, against Fernet: `python benchmarks/tokens.py`."""

from __future__ import annotations

import os
import time
import timeit
from collections.abc import Callable
from functools import partial

from cryptography.fernet import Fernet

from quart_stash.core.keys import Keyring
from quart_stash.core.tokens import Context, Sealer

ROUNDS, CALLS = 25, 400
CONTEXT = Context("view", ("counter", "{}", "", "example.com", "somebody", ""))


def microseconds(call: Callable[[], object]) -> float:
    """Return the best of several rounds: whatever else the machine does only adds."""
    return min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def main() -> None:
    """Measure for several sizes."""
    sealer, fernet, now = Sealer(Keyring([os.urandom(32)])), Fernet(Fernet.generate_key()), time.time()
    print("bytes     seal   Fernet     open   Fernet   (microseconds)")
    for size in (256, 1024, 16 * 1024, 64 * 1024):
        payload = os.urandom(size)
        token = sealer.seal(payload, CONTEXT, version=1, now=now)
        secret = fernet.encrypt(payload)
        times = (
            microseconds(partial(sealer.seal, payload, CONTEXT, version=1, now=now)),
            microseconds(partial(fernet.encrypt, payload)),
            microseconds(partial(sealer.open, token, CONTEXT, max_age=60, now=now)),
            microseconds(partial(fernet.decrypt, secret)),
        )
        print(f"{size:6}" + "".join(f"{spent:9.1f}" for spent in times))


if __name__ == "__main__":
    main()
