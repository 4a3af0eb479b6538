"""Runs the core's machines on asyncio: connections, registry, drain, and the ways to notice a shutdown."""
