"""What holds for the project as a whole: what is public, how large its parts are, what its files may say."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "quart_stash").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

MAX_LINES = 350
LONGER = {
    # A machine and its one transition table, which are read together.
    "quart_stash/core/connection.py": 400,
    "quart_stash/core/client.py": 435,
}
MAX_FUNCTION_LINES = 60


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    "module", ["quart_stash", "quart_stash.asgi", "quart_stash.signals", "quart_stash.testing"]
)
def test_public_names(module: str) -> None:
    """What a module exports is what docs/api.md lists under its name."""
    sections = re.split(r"^## ", (ROOT / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    (section,) = (text for text in sections if text.startswith(f"`{module}`"))
    listed = re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)
    assert sorted(listed) == sorted(importlib.import_module(module).__all__)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_are_small(path: Path) -> None:
    """A module that grows beyond what is read at one go is to be split."""
    assert len(path.read_text().splitlines()) <= LONGER.get(relative(path), MAX_LINES)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_functions_are_small(path: Path) -> None:
    """A function fits on one screen, docstring included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name


@pytest.mark.parametrize("path", TESTS, ids=relative)
def test_tests_say_what_holds(path: Path) -> None:
    """Each test has a docstring of one sentence that says what holds."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            sentence = ast.get_docstring(node) or ""
            assert sentence.endswith("."), f"{node.name} says nothing"
            assert "\n\n" not in sentence, f"{node.name} says more than one sentence"


def test_one_version() -> None:
    """Both packages and the lock file have one version, which the changelog names."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert json.loads((ROOT / "js" / "package.json").read_text())["version"] == version
    assert json.loads((ROOT / "js" / "package-lock.json").read_text())["version"] == version
    assert version in (ROOT / "CHANGELOG.md").read_text()


def test_no_trace_of_a_machine() -> None:
    """No tracked file names a directory of the machine it was made on, or a registry of packages."""
    homes = ("work", "root", "home")
    traces = re.compile(
        "|".join([rf"(?<![\w.>}}-])/{home}/\w" for home in homes] + [r'"resolved"\s*:\s*"http'])
    )
    for path in tracked():
        found = traces.search(path.read_bytes().decode("utf-8", "replace"))
        assert found is None, f"{relative(path)}: {found}"


def test_lower_bounds_only() -> None:
    """The application decides what it installs: dependencies have lower bounds and no others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all(re.fullmatch(r"[a-z0-9-]+>=[\d.]+", dependency) for dependency in project["dependencies"])


def test_the_security_page_names_tests_that_exist() -> None:
    """Each test and each file that the table of docs/security.md names is there."""
    page = (ROOT / "docs" / "security.md").read_text()
    tests = "\n".join(path.read_text() for path in TESTS)
    names, paths = (
        set(re.findall(r"`(test_\w+)`", page)),
        set(re.findall(r"\b(?:js/)?tests?/[\w./-]+\.\w+", page)),
    )
    assert len(names) > 30
    assert not [name for name in names if not re.search(rf"def {name}\b", tests)]
    assert not [path for path in paths if not (ROOT / path).exists()]
