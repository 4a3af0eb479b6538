"""Edit a profile: a form that survives every restart of its server."""
