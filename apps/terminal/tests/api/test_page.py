"""The page's own files."""

from pathlib import Path

import httpx
import msgspec
import pytest

from apps.terminal.settings import TerminalSettings
from apps.terminal.tests.api.conftest import serving
from tidegate import Client


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>page</title>")
    (folder / "assets" / "main-abc123.js").write_text("1")
    (tmp_path / "secret.txt").write_text("hidden words")
    return folder


async def test_every_address_of_the_page_is_the_page(client: Client, dist: Path) -> None:
    async with (
        serving(msgspec.structs.replace(TerminalSettings(), web_dist=dist)) as transport,
        httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as browser,
    ):
        for path in ("/", "/p/abc", "/invite/a-b_c"):
            answer = await browser.get(path)
            assert (answer.status_code, answer.text) == (200, "<title>page</title>")
            assert answer.headers["cache-control"] == "no-cache"
        script = await browser.get("/assets/main-abc123.js")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["content-type"].startswith("text/javascript")
        for missing in (
            "/assets/gone.js",
            "/..%2fsecret.txt",
            "/%2e%2e/secret.txt",
            "/api/nothing",
        ):
            gone = await browser.get(missing)
            assert gone.status_code == 404, missing
            assert "hidden words" not in gone.text
        assert (await browser.post("/")).status_code == 405


async def test_the_page_is_confined_to_itself(http: httpx.AsyncClient) -> None:
    headers = (await http.get("/")).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "ws://localhost:8000" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


async def test_a_page_that_is_not_built_says_how_to_build_it(
    client: Client, tmp_path: Path
) -> None:
    bare = msgspec.structs.replace(TerminalSettings(), web_dist=tmp_path / "none")
    async with (
        serving(bare) as transport,
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as browser,
    ):
        answer = await browser.get("/")
    assert answer.status_code == 503
    assert "npm run build" in answer.text
