"""The tutorial's code runs, and prints what the tutorial says."""

import asyncio
import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tidegate.connections.embedded import EmbeddedValkey
from tidegate.settings import Settings
from tidegate.testing.working import working

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(page: str, *kinds: str) -> list[tuple[str, str]]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [(kind, body) for kind, body in _FENCE.findall(text) if kind in kinds]


@pytest.fixture
def tutorial() -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The tutorial's namespace once all of it has run, and pairs of printed and promised text."""
    namespace: dict[str, Any] = {"__name__": "tutorial"}
    printed, promised = "", []
    for kind, body in blocks("tutorial.md", "python", "text"):
        if kind == "text":
            promised.append((printed, body))
            continue
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(body, "docs/tutorial.md", "exec"), namespace)  # noqa: S102 - our own page
        printed = out.getvalue()
    return namespace, promised


def test_every_refusal_reads_as_promised(
    tutorial: tuple[dict[str, Any], list[tuple[str, str]]],
) -> None:
    _, promised = tutorial

    refusals = [(printed, text) for printed, text in promised if printed]
    assert len(refusals) == 2
    for printed, text in refusals:
        assert printed == text


async def test_the_jobs_of_the_tutorial_run_and_are_followed(
    tutorial: tuple[dict[str, Any], list[tuple[str, str]]],
    server: EmbeddedValkey,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    namespace, promised = tutorial
    objects = (tmp_path / "objects").as_uri()
    settings = Settings(valkey_url=server.url, objects_url=objects, data=tmp_path)

    async with working(namespace["app"], settings):
        async with asyncio.timeout(30):
            await namespace["main"](settings)
            assert capsys.readouterr().out == promised[-1][1]
            await namespace["follow"](settings)

    followed = capsys.readouterr().out.splitlines()
    assert '{"type":"word","word":"so"}' in followed
    assert '"state":"succeeded"' in followed[-1]
