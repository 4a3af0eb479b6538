"""Builds the wheel by way of the sdist, installs it into an environment of its own, and serves from it.

What a checkout can hide shows here: a file that was not packed, a dependency that was not declared.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

APP = """
from quart import Quart, render_template_string
from quart_stash import QuartStash, View

app = Quart(__name__)
app.secret_key = "{secret}"
stash = QuartStash(app)


@app.get("/")
async def page() -> str:
    return await render_template_string("{{{{ stash_script() }}}}")


@app.websocket("/view")
@stash.view()
async def view(view: View[dict]) -> None:
    async for message in view:
        await view.send(message.data)
"""


def main() -> None:
    """Build, install, serve."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, stdout=subprocess.PIPE
        )
        (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
        compare(wheel, sdist)
        python = install(folder, wheel)
        serve(folder, python)


def compare(wheel: Path, sdist: Path) -> None:
    """Hold what is packed against what is in the checkout."""
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "quart_stash").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
    if packed != package:
        sys.exit(f"the wheel and the checkout differ in: {sorted(packed ^ package)}")
    if not licences:
        sys.exit("the wheel has no licence")
    for name in ("static/quart-stash.js", "static/quart-stash-morph.js", "py.typed"):
        if f"quart_stash/{name}" not in packed:
            sys.exit(f"the wheel lacks {name}")
    with tarfile.open(sdist) as sources:
        names = sources.getnames()
    strays = [name for name in names if "node_modules" in name or ".venv" in name or "__pycache__" in name]
    if strays:
        sys.exit(f"the sdist has what is not source: {strays[:5]}")
    print(
        f"{wheel.name}: {len(packed)} files, {wheel.stat().st_size} bytes; {sdist.name}: {len(names)} files"
    )


def install(folder: Path, wheel: Path) -> Path:
    """Install the wheel and what it depends on, and nothing else."""
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True, stderr=subprocess.DEVNULL)
    code = "import quart_stash, quart_stash.asgi; print('imported from', quart_stash.__file__)"
    # Isolated: neither the directory nor the environment leads to the checkout.
    done = subprocess.run(
        [python, "-I", "-W", "error", "-c", code], check=True, cwd=folder, capture_output=True, text=True
    )
    if str(folder) not in done.stdout:
        sys.exit(f"not from the wheel: {done.stdout}")
    print("imported from the wheel, with warnings as errors")
    return python


def serve(folder: Path, python: Path) -> None:
    """Serve a small application with the `hypercorn` command, fetch its page and script, and let it leave."""
    (folder / "small.py").write_text(APP.format(secret=os.urandom(16).hex()))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The socket listens already, so the first request waits for the server, and nothing polls.
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        hypercorn = str(python.parent / "hypercorn")
        command = [hypercorn, "--bind", f"fd://{listener.fileno()}", "small:app"]
        process = subprocess.Popen(command, cwd=folder, pass_fds=[listener.fileno()])
    try:
        page = fetch(address + "/").decode()
        found = re.search(r'src="([^"]+)"', page)
        if found is None:
            sys.exit(f"the page has no script: {page}")
        if fetch(address + found[1]) != (ROOT / "quart_stash" / "static" / "quart-stash.js").read_bytes():
            sys.exit("the script that is served is not the one that is committed")
        if fetch(address + "/_stash/ready") != b"ready\n":
            sys.exit("the readiness endpoint does not say ready")
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
    if code != 0:
        sys.exit(f"hypercorn exited with {code}")
    print("served page, script and readiness with the hypercorn command; it left at SIGTERM")


def fetch(url: str) -> bytes:
    """Return the body of a page of ours."""
    with urllib.request.urlopen(url, timeout=30) as response:
        body: bytes = response.read()
    return body


if __name__ == "__main__":
    main()
