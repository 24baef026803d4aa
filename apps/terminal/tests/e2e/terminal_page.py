"""The page in a real Chromium, as a person uses it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, Self

from playwright.async_api import Browser, Error, Locator, Page, ViewportSize

AXE: Final = Path(__file__).parents[4] / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE: Final = 20.0

Theme = Literal["light", "dark"]

# What a browser reports of its own accord about requests that a test has made fail.
EXPECTED: Final = ("Failed to load resource", "WebSocket connection to")

_SCREEN: Final = """[...document.querySelectorAll(".shell:not([hidden]) .xterm-rows > div")]
    .map((row) => row.textContent.trimEnd()).join("\\n")"""
_AXE: Final = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .map((each) => `${each.id}: ${each.nodes.map((node) => node.target).join(" ")}`)"""


class TerminalPage:
    """One window on the application; forgets its visitor when left.

    Attributes:
        page: Playwright's own.
        complaints: What the page's console said, and requests to other hosts.
    """

    def __init__(
        self, browser: Browser, url: str, *, width: int = 1280, theme: Theme = "light"
    ) -> None:
        self._browser = browser
        self._url = url
        self._size: ViewportSize = {"width": width, "height": 800}
        self._theme = theme
        self.page: Page
        self.complaints: list[str] = []

    async def __aenter__(self) -> Self:
        self.page = await self._browser.new_page(viewport=self._size, color_scheme=self._theme)
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self._complain("error", str(error)))
        self.page.on("request", lambda request: self._watch(request.url))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.page.context.close()

    def _complain(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not text.startswith(EXPECTED):
            self.complaints.append(text)

    def _watch(self, url: str) -> None:
        here = (self._url, self._url.replace("http", "ws", 1), "data:", "blob:")
        if not url.startswith(here):
            self.complaints.append(f"asked another host: {url}")

    async def open(self, path: str = "/") -> None:
        """Go to an address of the application."""
        await self.page.goto(self._url + path)

    async def make_project(self, name: str) -> None:
        """Make a project from the list of projects, and wait for its command line."""
        await self.open()
        await self.page.click("button:has-text('New project')")
        await self.page.keyboard.type(name)
        await self.page.keyboard.press("Enter")
        await self.line.wait_for()

    @property
    def line(self) -> Locator:
        """The command line, while nothing has the screen."""
        return self.page.locator(".shell:not([hidden]) [data-terminal-prompt]")

    async def type_command(self, command: str) -> None:
        """Type a command and send it off."""
        await self.line.click()
        await self.page.keyboard.type(command)
        await self.page.keyboard.press("Enter")

    async def run(self, command: str, *, shows: str) -> None:
        """Run a command that shows a line, and wait for both the line and its end."""
        await self.type_command(command)
        await self.until_shown(shows)
        await self.until_idle()

    async def until_idle(self) -> None:
        """Wait until the command line is back."""
        await self.until(self.line.is_visible, "the command line")

    async def until_running(self) -> None:
        """Wait until a program has the screen."""
        await self.page.wait_for_selector(".tab-shown .mark-live")

    async def screen(self) -> list[str]:
        """The lines in sight, the empty ones at the end left out."""
        text = str(await self.page.evaluate(_SCREEN))
        return text.replace("\u00a0", " ").rstrip("\n").split("\n")

    async def until_shown(self, line: str) -> None:
        """Wait until the screen has a line that begins so."""

        async def is_shown() -> bool:
            return any(shown.startswith(line) for shown in await self.screen())

        await self.until(is_shown, f"a line {line!r}")

    async def until(self, holds: Callable[[], Any], what: str) -> None:
        """Wait until `holds` does.

        Raises:
            AssertionError: It did not in time; says what the screen showed.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self._now(holds):  # noqa: ASYNC110 - a page has no event for its looks
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise AssertionError(f"expected {what}, found {await self.screen()}") from error

    async def _now(self, holds: Callable[[], Any]) -> bool:
        try:
            return bool(await holds())
        except Error:
            return False  # asked in the middle of a reload

    async def violations(self) -> list[str]:
        """What axe finds wrong with the page for people who use it with assistance."""
        await self.page.evaluate(AXE.read_text())
        return list(await self.page.evaluate(_AXE))
