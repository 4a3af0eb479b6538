"""The testing kit: a tab of a browser without the browser, and an application that is deployed under it."""

from .kit import StashClient, stash_client

__all__ = ["StashClient", "stash_client"]
