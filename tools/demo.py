"""Sets up and starts the demo, in place of this process, with whichever supported Python there is."""

from __future__ import annotations

import os
import sys

from environment import ROOT, SetupError, fail, find_python, make_venv

SUPPORTED = ("3.13", "3.12", "3.11", "3.14")


def main() -> None:
    """Make the environment and become the demo."""
    for version in SUPPORTED:
        try:
            interpreter = find_python(version)
        except SetupError:
            continue
        python = make_venv("demo", interpreter, ("examples",)) / "python"
        os.chdir(ROOT)
        os.execv(python, [str(python), "-m", "examples.demo", *sys.argv[1:]])
    fail(f"the demo needs one of Python {', '.join(SUPPORTED)} with its `venv` module")


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
