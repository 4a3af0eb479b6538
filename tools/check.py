"""Runs the checks, each with its own set-up: all that CI runs, or those that are named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from environment import (
    ROOT,
    SetupError,
    fail,
    find_node,
    find_python,
    install_packages,
    install_programs,
    make_venv,
    search_path,
)

PYTHONS = ("3.11", "3.13")
NEWEST = PYTHONS[-1]
ONCE = (
    "tests/neighbours",
    "tests/model",
    *(
        f"tests/servers/test_{name}.py"
        for name in ("bad_peers", "effects", "poison", "pressure", "proxies", "spread")
    ),
)
"""Tests that are run on the newest Python only: what may depend on its version, the matrix of tests/servers shows."""
CODE = ("quart_stash", "tests", "tools", "examples", "benchmarks")

_PASSED = re.compile(r"(?:^|[ =])(\d+) passed\b|^(?:#|\u2139) pass (\d+)$")
_FAILED = re.compile(r"(?:^|[ =])(\d+) (?:failed|errors?)\b.* in [\d.]+s|^(?:#|\u2139) fail (\d+)$")


@dataclass
class Tally:
    """How many tests passed and failed, as pytest and Node's runner say at their ends."""

    passed: int = 0
    failed: int = 0

    def read(self, line: str) -> None:
        """Count what a line of output says."""
        line = re.sub(r"\x1b\[[\d;]*m", "", line).strip()
        for pattern, name in ((_PASSED, "passed"), (_FAILED, "failed")):
            found = pattern.search(line)
            if found:
                setattr(self, name, getattr(self, name) + int(found[1] or found[2]))


tally = Tally()


def run(*command: str | Path, cwd: Path = ROOT, path: tuple[Path, ...] = ()) -> None:
    """Run one command of a check, showing and counting what it says.

    Raises:
        SetupError: it failed.
    """
    shown = " ".join(str(part).replace(f"{ROOT}{os.sep}", "") for part in command)
    print(f"$ {shown}", flush=True)
    # Node's runner is brief, and counts at its end, as if this were a terminal.
    environment = {**os.environ, "NODE_OPTIONS": "--test-reporter=spec", "PATH": search_path(*path)}
    # Images of containers set it. Tests start hundreds of servers: so the code is compiled once.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            tally.read(line)
    if process.returncode:
        fail(f"this failed ({process.returncode}): {shown}")


def python(version: str = NEWEST) -> Path:
    """Return the `bin` directory of one Python's environment."""
    groups = ("dev",) if version == NEWEST else ("test",)
    return make_venv(version, find_python(version), groups)


def lint() -> None:
    """Ruff's rules and its layout."""
    run(python() / "ruff", "check", "--quiet")
    run(python() / "ruff", "format", "--quiet", "--check")


def types() -> None:
    """Mypy, strict, and how complete the public types are."""
    run(python() / "mypy", *CODE)
    # It looks for the package with the first `python` on the PATH, whatever else it is told.
    path = (python(), find_node())
    run(python() / "pyright", "--verifytypes", "quart_stash", "--ignoreexternal", path=path)


def floors() -> None:
    """Import-linter: which module may import which."""
    run(python() / "lint-imports", "--no-logo")


def generated() -> None:
    """What is generated from the code is what the code generates."""
    run(python() / "python", "tools/generate.py", "--check")


def script() -> None:
    """The JavaScript client: types, tests, and the committed bundle."""
    node = find_node()
    install_packages(node)
    for name in ("check", "test", "verify"):
        run(node / "npm", "run", "--silent", name, cwd=ROOT / "js", path=(node,))


def bundle() -> None:
    """Build the JavaScript client into the package."""
    node = find_node()
    install_packages(node)
    run(node / "npm", "run", "--silent", "build", cwd=ROOT / "js", path=(node,))


def test(here: Path, *arguments: str) -> None:
    """Run Python tests, where it can be more at a time than there are processors: nearly all wait for another process.

    Args:
        here: the `bin` directory of their environment.
        *arguments: of pytest.
    """
    workers = min((os.cpu_count() or 1) + 1, 8)  # beyond some browsers memory is what there is too little of
    beside = ("--numprocesses", str(workers), "--dist", "worksteal")
    run(here / "python", "-m", "pytest", "--quiet", *beside, *arguments)


def unit() -> None:
    """The Python tests, servers included, on every supported Python."""
    install_programs("haproxy", "nginx")
    for version in PYTHONS:
        here = python(version)
        names = ("quart", "hypercorn", "uvicorn", "gunicorn")
        say = "from importlib.metadata import version as of; print(*(f'{n} {of(n)}' for n in sys.argv[1:]))"
        print(f"-- Python {version}", flush=True)
        run(here / "python", "-c", f"import sys; {say}", *names)
        once = () if version == NEWEST else tuple(f"--ignore={path}" for path in ONCE)
        test(here, "--ignore=tests/browser", *once)


def model() -> None:
    """The guarantee in every interleaving up to a depth, and the script's machine against the model's."""
    node, transitions = find_node(), ROOT / "build" / "transitions.jsonl"
    run(python() / "python", "-m", "tests.model.explore", "--record", transitions)
    run(node / "node", "js/replay.js", transitions, path=(node,))


def browser() -> None:
    """The tests in Chromium, Firefox and WebKit."""
    here = python()
    install_programs("chromium", "chromedriver", "firefox-esr", "WebKitWebDriver", "Xvfb", "haproxy", "nginx")
    # axe, which looks for what a screen reader stumbles over.
    install_packages(find_node())
    test(here, "tests/browser")


def pictures() -> None:
    """What tests show, recorded for the documentation."""
    here = python()
    install_programs("chromium", "chromedriver")
    install_packages(find_node())
    os.environ["PICTURES"] = "docs/recovery"
    run(here / "python", "-m", "pytest", "--quiet", "-k", "chromium", "tests/browser")


def wheel() -> None:
    """The built wheel, installed and served outside the checkout."""
    run(python() / "python", "tools/wheel.py")


def documentation() -> None:
    """Generate what the documentation takes from the code."""
    run(python() / "python", "tools/generate.py")


def soak() -> None:
    """Restarts under load; RESTARTS, MESSAGES, MINUTES, SEED, CLIENTS and TABS say how many."""
    here = python()
    install_programs("chromium", "haproxy", "nginx")
    given = {
        name: os.environ.get(name.upper())
        for name in ("restarts", "messages", "minutes", "seed", "clients", "tabs")
    }
    options = [part for name, value in given.items() if value for part in (f"--{name}", value)]
    run(here / "python", "-m", "benchmarks.soak", *options)


def layout() -> None:
    """Lay the Python code out."""
    run(python() / "ruff", "format")
    run(python() / "ruff", "check", "--fix")


ALL: dict[str, Callable[[], None]] = {
    "lint": lint,
    "types": types,
    "floors": floors,
    "generated": generated,
    "script": script,
    "unit": unit,
    "model": model,
    "wheel": wheel,
    "browser": browser,
}
OTHERS: dict[str, Callable[[], None]] = {
    "bundle": bundle,
    "docs": documentation,
    "format": layout,
    "pictures": pictures,
    "soak": soak,
}


def main(names: list[str]) -> int:
    """Run the checks in order, up to the first that fails."""
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    begin = time.monotonic()
    times: list[str] = []
    for name in names or ALL:
        check = {**ALL, **OTHERS}[name]
        print(f"\n== {name}: {check.__doc__}", flush=True)
        began = time.monotonic()
        try:
            check()
        except SetupError as error:
            print(f"\n{name} failed after {time.monotonic() - began:.0f} s\n{error}")
            print(f"{tally.passed} passed, {max(tally.failed, 1)} failed")
            return 1
        except KeyboardInterrupt:
            print("\nstopped")
            return 130
        times.append(f"{name} {time.monotonic() - began:.0f} s")
    print(f"\n== done in {time.monotonic() - begin:.0f} s: {', '.join(times)}")
    if tally.passed:
        print(f"{tally.passed} passed, {tally.failed} failed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
