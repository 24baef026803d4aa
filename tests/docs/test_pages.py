"""What the pages show is so: their code runs, and prints what they say."""

from pathlib import Path

import pytest

from tests.docs.page import Program, blocks, name_of, pages
from tidegate.connections.embedded import EmbeddedValkey

RUNNABLE = [page for page in pages() if any(blocks(page, "python"))]


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
async def test_the_code_of_a_page_runs_and_prints_what_the_page_says(
    page: Path, server: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(page, tmp_path, server, monkeypatch)
    await program.run()
    for printed, promised in program.promised:
        assert printed == promised


async def test_the_tutorial_follows_its_job_to_the_end(
    server: EmbeddedValkey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tutorial,) = (page for page in RUNNABLE if page.name == "tutorial.md")
    program = Program(tutorial, tmp_path, server, monkeypatch)
    module = await program.run()
    await program.call(module, "follow")
    followed = capsys.readouterr().out.splitlines()
    assert '{"type":"word","word":"so"}' in followed
    assert '"state":"succeeded"' in followed[-1]
