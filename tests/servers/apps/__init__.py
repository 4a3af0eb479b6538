"""Applications that the process tests serve."""
