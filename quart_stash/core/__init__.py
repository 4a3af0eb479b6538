"""The pure core: no I/O, no clock and no randomness of its own, no framework."""
