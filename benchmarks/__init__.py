"""What quart_stash costs and what it gains, measured. See README.md."""
