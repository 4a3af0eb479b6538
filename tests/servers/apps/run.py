"""`python run.py MODULE BIND`: serve an application with Quart's own `app.run()`."""

from __future__ import annotations

import sys
from importlib import import_module

if __name__ == "__main__":
    # The reloader is a process of its own, which a signal ends at once, whatever it has started.
    import_module(sys.argv[1]).app.run(host=sys.argv[2], use_reloader=False)
