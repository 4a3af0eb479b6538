"""`python -m examples.demo`: start the demo; with `--check`, try it out and end."""

from __future__ import annotations

import argparse
import asyncio
import sys

from .check import check
from .runner import serve
from .servers import NotReady


def main() -> int:
    """Run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="fetch the pages, deploy once with a view connected, end"
    )
    arguments = parser.parse_args()
    try:
        if arguments.check:
            return asyncio.run(check())
        asyncio.run(serve())
    except (NotReady, OSError) as error:
        sys.stderr.write(f"the demo can't run: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
