"""Launch a deployment. It makes secrets that this server must not keep.

They live in the tab that launched it, encrypted; the server has them while it works, and then no more.
Reload, deploy or kill the server in the middle: the deployment goes on where it was, and at the end the
secrets are shown.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from quart import Quart, Response, render_template

from quart_stash import QuartStash, View

from .deployment import Deployment, Failed, Secrets, new_secrets, steps

STEPS = steps(parts=int(os.environ.get("LAUNCHER_PARTS", "8")))
STEP_SECONDS = float(
    os.environ.get("LAUNCHER_STEP_SECONDS", "1")
)  # real machines are slower than this example
KEEP_SECONDS = int(os.environ.get("LAUNCHER_KEEP_SECONDS", "900"))

app = Quart(__name__)
app.config.update(
    DEPLOYMENTS=str(Path(app.root_path) / "deployments"),
    SESSION_COOKIE_NAME="launcher",
    SESSION_COOKIE_SAMESITE="Lax",
)
app.config.from_prefixed_env()  # QUART_SECRET_KEY, QUART_DEPLOYMENTS
stash = QuartStash(app)


@dataclass
class Launch:
    """How far a deployment is. There is no secret in here."""

    phase: Literal["idle", "running", "done", "failed"] = "idle"
    name: str = ""
    owner: str = ""
    step: int = 0
    problem: str = ""


@app.websocket("/live")
@stash.view(Launch)
async def live(view: View[Launch]) -> None:
    """Deploy in the background, and listen. A restart cancels both; the next process begins here."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(deploy(view))
        async for message in view:
            match message.json():
                case {"do": "launch", "name": str(name)} if view.state.phase == "idle":
                    view.state = Launch("running", name, owner=message.key)
                    await view.clear_form("launch")
                    tasks.create_task(deploy(view))
                case {"do": "acknowledge"} if view.state.phase in ("done", "failed"):
                    await view.forget("launcher")
                    view.state = Launch()
                    await report(view)


async def deploy(view: View[Launch]) -> None:
    """Do the steps that are left, and say how far it is."""
    launch = view.state
    secrets: Secrets | None = None
    try:
        if launch.phase in ("running", "done"):
            secrets = await restore_or_create(view)
        while launch.phase == "running":
            await report(view)  # where no message is in hand, sending is a commit point
            await do_step(launch, secrets or {})
            launch.step += 1
            if launch.step == len(STEPS):
                launch.phase = "done"
    except Failed as failure:
        await view.forget("launcher")
        launch.phase, launch.problem = "failed", str(failure)
    await report(view, secrets)


async def restore_or_create(view: View[Launch]) -> Secrets:
    """Return the secrets that the browser keeps for us, or let it keep new ones. Only then they are used."""
    secrets: Secrets | None = await view.restore("launcher")
    if secrets is None:
        if view.state.step > 0:
            raise Failed("The time of the secrets is up: the browser has dropped them.")
        secrets = new_secrets()
        await view.keep("launcher", secrets, max_age=KEEP_SECONDS)
    return secrets


async def do_step(launch: Launch, secrets: Secrets) -> None:
    """Do one step. It may have been done before, or half: each can be done twice."""
    deployment = Deployment(Path(app.config["DEPLOYMENTS"]), launch.name, launch.owner, secrets)
    await asyncio.to_thread(STEPS[launch.step][1], deployment)
    await asyncio.sleep(STEP_SECONDS)


async def report(view: View[Launch], secrets: Secrets | None = None) -> None:
    """Tell the page how far it is, and at the end the secrets."""
    launch = view.state
    label = STEPS[launch.step][0] if launch.phase == "running" else ""
    shown = secrets if launch.phase == "done" else None
    await view.send_json({**asdict(launch), "steps": len(STEPS), "label": label, "secrets": shown})


@app.get("/")
async def page() -> str:
    """Show the page; the rest comes over the socket."""
    return await render_template("launcher.html")


@app.after_request
async def protect(response: Response) -> Response:
    """Allow the page our own scripts and sockets, and nothing else."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return response
