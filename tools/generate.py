"""Writes those parts of the documentation that the code knows best; with `--check`, says which are old.

A part stands between `<!-- generated: name -->` and `<!-- end -->`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from quart_stash import QuartStash, View
from quart_stash.asgi import StashPage
from quart_stash.config import StashConfig
from quart_stash.core.connection import TABLE
from quart_stash.testing import StashClient

DOCS = Path(__file__).resolve().parent.parent / "docs"


def configuration() -> str:
    """Return the table of the `STASH_*` keys."""
    rows = (
        f"| `STASH_{field.name.upper()}` | `{field.default!r}` | {field.metadata['about']} |"
        for field in fields(StashConfig)
    )
    return "\n".join(["| key | default | what it is |", "| --- | --- | --- |", *rows])


def states() -> str:
    """Return the diagram of the server's machine: what leads from one state to another."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(TABLE)).name}"]
    for state, rows in TABLE.items():
        causes: dict[str, list[str]] = {}
        for event, (_, *targets) in rows.items():
            for target in targets:
                if target is not state:
                    causes.setdefault(target.name, []).append(event.__name__)
        for target, events in causes.items():
            lines.append(f"    {state.name} --> {target}: {', '.join(events)}")
        if not causes:
            lines.append(f"    {state.name} --> [*]")
    return "\n".join([*lines, "```"])


def members(owner: type) -> str:
    """Return the table of a class's public methods and properties, each with the first sentence about it."""
    lines = ["| member | what it is |", "| --- | --- |"]
    for name, member in vars(owner).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        about = (inspect.getdoc(member) or "").partition("\n\n")[0].replace("\n", " ")
        shown = name if isinstance(member, property) else _call(name, member)
        lines.append(f"| `{shown}` | {about} |")
    return "\n".join(dict.fromkeys(lines))


def _call(name: str, function: Callable[..., object]) -> str:
    """Return how a method is called: its arguments with their defaults, without their types."""
    signature = inspect.signature(function)
    arguments = [
        argument.replace(annotation=inspect.Parameter.empty)
        for argument in signature.parameters.values()
        if argument.name != "self"
    ]
    prefix = "await " if inspect.iscoroutinefunction(function) else ""
    plain = signature.replace(parameters=arguments, return_annotation=inspect.Signature.empty)
    return f"{prefix}{name}{plain}".replace("|", "\\|")


PARTS: dict[str, Callable[[], str]] = {
    "configuration": configuration,
    "states": states,
    "quart_stash_members": lambda: members(QuartStash),
    "stash_client_members": lambda: members(StashClient),
    "stash_page_members": lambda: members(StashPage),
    "view_members": lambda: members(View),
}


def main() -> None:
    """Write or check."""
    check = "--check" in sys.argv[1:]
    stale: list[str] = []
    for path in sorted(DOCS.glob("*.md")):
        old = path.read_text()
        new = re.sub(
            r"(?<=<!-- generated: )(\w+)( -->\n).*?(?=<!-- end -->)",
            lambda found: found[1] + found[2] + PARTS[found[1]]() + "\n",
            old,
            flags=re.DOTALL,
        )
        if new != old:
            stale.append(path.name)
            if not check:
                path.write_text(new)
    if check and stale:
        sys.exit(f"not up to date: {', '.join(stale)}; run `make docs`")
    print("up to date" if check else f"written: {', '.join(stale) or 'nothing'}")


if __name__ == "__main__":
    main()
