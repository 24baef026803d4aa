"""One running application for all browser tests, and a window on it for each."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from apps.terminal.tests.e2e.terminal_page import TerminalPage
from tidegate.testing.up import RunningUp

ROOT = Path(__file__).parents[4]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
BUILT = ROOT / "apps" / "terminal" / "web" / "dist" / "index.html"


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """The terminal under `tidegate up`, its page built."""
    if not BUILT.exists():
        pytest.skip("expected a built page, found none; run `make pages`")
    # Not tmp_path: the users that commands run as cannot enter it.
    workspaces = Path(tempfile.mkdtemp(prefix="tidegate-test-", dir="/var/tmp"))
    data = tmp_path_factory.mktemp("up")
    settings = {"TERMINAL_WORKSPACES": str(workspaces)}
    with RunningUp("apps.terminal.app", cwd=ROOT, data=data, env=settings) as running:
        yield running
    shutil.rmtree(workspaces, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium without a window of its own."""
    if CHROMIUM is None:
        pytest.skip("expected a chromium on the path, found none; apt-get install chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def terminal(browser: Browser, up: RunningUp) -> AsyncIterator[TerminalPage]:
    """A window with a new project open; in the end the page had nothing to complain of."""
    async with TerminalPage(browser, up.url) as page:
        await page.make_project("trial")
        yield page
        assert page.complaints == []
