"""One application for each neighbour, all with the same view."""
