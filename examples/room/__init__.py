"""A room in which everybody hears everything, once and in order."""
