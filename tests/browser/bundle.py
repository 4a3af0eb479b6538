"""Bundles scripts that use packages of `js/node_modules` for a page."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from tests.browser.site import MODULES


@cache
def bundled(source: str, *, loader: str = "jsx") -> str:
    """Return a module as a page can load it.

    Args:
        source: ECMAScript that imports packages by name; what it imports by `/` stays as it is.
        loader: `jsx` or `tsx`.

    Raises:
        RuntimeError: it can't be bundled.
    """
    done = subprocess.run(
        [
            MODULES / ".bin" / "esbuild",
            "--bundle",
            "--format=esm",
            f"--loader={loader}",
            "--jsx=automatic",
            "--jsx-dev",
            "--external:/js/*",
            "--external:/_stash/*",
            "--define:process.env.NODE_ENV='development'",
            "--define:__VUE_OPTIONS_API__=true",
            "--define:__VUE_PROD_DEVTOOLS__=false",
            "--define:__VUE_PROD_HYDRATION_MISMATCH_DETAILS__=true",
            "--log-level=error",
        ],
        input=source,
        capture_output=True,
        text=True,
        env={**os.environ, "NODE_PATH": str(MODULES)},
        cwd=Path(__file__).parents[2],
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def bundled_file(path: Path) -> str:
    """Return a file as a page can load it."""
    return bundled(path.read_text())
