"""quart_stash."""
