"""A page of the documentation as a program.

The fenced `python` blocks of a page run in order, as one module. Where a block defines `main`, it
is called at once, and is given what its parameters name:

    client    an open client, while every worker of the page's `app` runs
    settings  what such a client was opened with
    url       the front door of the app: HTTP API and gateway
    token     the admin token of that door

A `text` block that follows a `python` block is what that block prints. Blocks of other languages
are not run.
"""

import asyncio
import inspect
import io
import re
import sys
import types
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tidegate.app import App
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.runtime import control
from tidegate.runtime.doors import open_port
from tidegate.settings import Settings
from tidegate.testing.working import working

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ADMIN_TOKEN = "admin-token-of-the-documentation"
_SECRET = "key-of-the-documentation-0123456789"
_TIMEOUT = 60.0
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page it begins at."""

    kind: str
    text: str
    line: int


def pages() -> Sequence[Path]:
    """Every page that is to be right, the front ones included."""
    front = [ROOT / name for name in ("README.md", "ARCHITECTURE.md")]
    decisions = DOCS / "decisions"
    return front + sorted(page for page in DOCS.rglob("*.md") if decisions not in page.parents)


def name_of(page: Path) -> str:
    """A page as people call it."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, *kinds: str) -> Iterator[Block]:
    """The blocks of these languages, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        if found[1] in kinds:
            yield Block(found[1], found[2], text.count("\n", 0, found.start(2)))


@dataclass
class Program:
    """A page that runs.

    Attributes:
        promised: Pairs of what a block printed and what the page says it does.
    """

    page: Path
    folder: Path
    server: EmbeddedValkey
    monkeypatch: pytest.MonkeyPatch
    promised: list[tuple[str, str]] = field(default_factory=list)

    async def run(self) -> types.ModuleType:
        """Run all of the page; the module it made."""
        module = self._module()
        printed = ""
        for block in blocks(self.page, "python", "text"):
            if block.kind == "python":
                printed = await self._run(module, block)
            else:
                self.promised.append((printed, block.text))
        return module

    def _module(self) -> types.ModuleType:
        """An empty module beside a file of the page's code, each line where the page has it."""
        name = f"page_{self.page.stem.replace('-', '_')}"
        lines = [""] * len(self.page.read_text(encoding="utf-8").splitlines())
        for block in blocks(self.page, "python"):
            code = block.text.splitlines()
            lines[block.line : block.line + len(code)] = code
        module = types.ModuleType(name)
        module.__file__ = str(self.folder / f"{name}.py")
        Path(module.__file__).write_text("\n".join(lines), encoding="utf-8")
        self.monkeypatch.syspath_prepend(self.folder)
        self.monkeypatch.setitem(sys.modules, name, module)
        return module

    async def _run(self, module: types.ModuleType, block: Block) -> str:
        """Run one block, and its `main`; what it printed."""
        code = compile("\n" * block.line + block.text, str(module.__file__), "exec")
        vars(module).pop("main", None)
        with redirect_stdout(io.StringIO()) as out:
            exec(code, vars(module))  # noqa: S102 - our own page
            if "main" in vars(module):
                async with asyncio.timeout(_TIMEOUT):
                    await self.call(module, "main")
        return out.getvalue()

    async def call(self, module: types.ModuleType, function: str) -> None:
        """Call a coroutine function of the page with what its parameters name."""
        called = vars(module)[function]
        wanted = set(inspect.signature(called).parameters)
        async with self._given(module.app, wanted) as given:
            await called(**{name: given[name] for name in wanted})

    @asynccontextmanager
    async def _given(self, app: App, wanted: set[str]) -> AsyncIterator[dict[str, Any]]:
        settings = Settings(
            valkey_url=self.server.url,
            objects_url=(self.folder / "objects").as_uri(),
            secret_key=_SECRET,
            admin_token=ADMIN_TOKEN,
            data=self.folder,
            spread=0.0,
        )
        given: dict[str, Any] = {"settings": settings, "token": ADMIN_TOKEN}
        async with AsyncExitStack() as held:
            for worker in app.spec.workers:
                at_work = working(app, settings, worker=worker.name)
                given["client"] = await held.enter_async_context(at_work)
            if "url" in wanted:
                given["url"] = await held.enter_async_context(self._door(app, settings))
            yield given

    @asynccontextmanager
    async def _door(self, app: App, settings: Settings) -> AsyncIterator[str]:
        # The page's workers run already; nobody has to start tasks.
        self.monkeypatch.setattr(control, "SERVICES", {})
        stopping, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            control.serve(
                app,
                settings,
                target="page",
                door=open_port("127.0.0.1", 0),
                stopping=stopping,
                ready=ready.set_result,
            )
        )
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        try:
            yield await (ready if ready.done() else serving)
        finally:
            stopping.set()
            await serving
