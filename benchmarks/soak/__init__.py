"""The soak: clients and browsers behind proxies, servers that are replaced and killed, each message counted."""
