"""Takes pictures for the documentation while tests run, if they are asked for: `make pictures`."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path

from tests.browser.tab import Tab

WIDTH = 720
CAPTION = 64
SECONDS = 1.8
FONT = "DejaVuSans.ttf"


class Camera:
    """What one test shows, frame by frame. Without a file it sees nothing.

    Args:
        path: of the recording, a WebP that moves.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._frames: list[tuple[bytes, str]] = []

    def take(self, tab: Tab, caption: str, *, around: str | None = None) -> None:
        """Take a picture of what is to be seen now, or of what is around an element, and say what it shows."""
        if self._path and tab.browser.engine == "chromium":
            if around:
                tab.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", around)
            self._frames.append((tab.driver.get_screenshot_as_png(), caption))

    def still(self, name: str) -> Path | None:
        """Return where a picture that does not move belongs, if pictures are asked for."""
        return self._path.parents[1] / f"{name}.png" if self._path else None

    def save(self) -> None:
        """Write the recording."""
        if not self._path or not self._frames:
            return
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.truetype(FONT, 19)
        drawn = []
        for shot, caption in self._frames:
            image = Image.open(io.BytesIO(shot)).convert("RGB")
            image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
            frame = Image.new("RGB", (WIDTH, image.height + CAPTION), "#1f2328")
            frame.paste(image, (0, CAPTION))
            ImageDraw.Draw(frame).text(
                (16, CAPTION // 2),
                "\n".join(textwrap.wrap(caption, 68)),
                fill="#ffffff",
                font=font,
                anchor="lm",
            )
            drawn.append(frame)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        first, *others = drawn
        first.save(
            self._path,
            save_all=True,
            append_images=others,
            duration=round(SECONDS * 1000),
            loop=0,
            quality=70,
            method=6,
        )
