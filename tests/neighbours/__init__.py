"""What people really run around a view: each neighbour with real SIGTERM, and connected views at unequal distances."""
