"""Python's garbage collector, told to stop a process rarely, as docs/deploying.md says."""

from __future__ import annotations

import gc


def calm() -> None:
    """Take what is there out of its sight, and let it look rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
