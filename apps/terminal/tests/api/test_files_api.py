"""Files over HTTP."""

import io
import tarfile
import zipfile

import httpx
import pytest

from apps.terminal.settings import TerminalSettings
from apps.terminal.tests.api.conftest import serving
from tidegate import Client


@pytest.fixture
async def base(http: httpx.AsyncClient) -> str:
    made = await http.post("/api/projects", json={"name": "Notes"})
    return f"/api/projects/{made.json()['id']}"


async def paths(http: httpx.AsyncClient, base: str) -> list[str]:
    listing = (await http.get(f"{base}/files")).json()
    return [each["path"] for each in listing["files"]]


async def test_a_file_is_written_listed_read_and_deleted(
    http: httpx.AsyncClient, base: str
) -> None:
    written = await http.put(f"{base}/files/src/main%20app.py", content=b"print()\n")
    assert written.status_code == 200
    listing = (await http.get(f"{base}/files")).json()
    assert listing["commit"] == written.json()["commit"]
    assert listing["folders"] == ["src"]
    entry = listing["files"][0]
    assert (entry["path"], entry["size"], entry["mode"]) == ("src/main app.py", 8, "644")
    assert written.headers["etag"] == f'"{entry["hash"]}"'
    read = await http.get(f"{base}/files/src/main%20app.py")
    assert read.content == b"print()\n"
    assert read.headers["etag"] == written.headers["etag"]
    assert (await http.delete(f"{base}/files/src/main%20app.py")).status_code == 200
    assert (await http.get(f"{base}/files/src/main%20app.py")).status_code == 404


async def test_a_file_is_never_shown_as_a_page_of_ours(http: httpx.AsyncClient, base: str) -> None:
    await http.put(f"{base}/files/evil.html", content=b"<script>alert(1)</script>")
    headers = (await http.get(f"{base}/files/evil.html")).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox")


async def test_a_file_someone_else_changed_is_not_overwritten(
    http: httpx.AsyncClient, base: str
) -> None:
    first = await http.put(f"{base}/files/a.txt", content=b"1", headers={"if-none-match": "*"})
    mine = {"if-match": first.headers["etag"]}
    await http.put(f"{base}/files/a.txt", content=b"2")
    refused = await http.put(f"{base}/files/a.txt", content=b"3", headers=mine)
    assert refused.status_code == 412
    error = refused.json()["error"]
    assert error["code"] == "edit_conflict"
    assert error["detail"]["expected"] == first.headers["etag"].strip('"')
    assert (await http.delete(f"{base}/files/a.txt", headers=mine)).status_code == 412
    again = await http.put(f"{base}/files/a.txt", content=b"4", headers={"if-none-match": "*"})
    assert again.status_code == 412
    assert (await http.get(f"{base}/files/a.txt")).content == b"2"


async def test_what_has_not_changed_does_not_travel_again(
    http: httpx.AsyncClient, base: str
) -> None:
    written = await http.put(f"{base}/files/a.txt", content=b"1")
    same = {"if-none-match": written.headers["etag"]}
    assert (await http.get(f"{base}/files/a.txt", headers=same)).status_code == 304
    listing = await http.get(f"{base}/files")
    same = {"if-none-match": listing.headers["etag"]}
    assert (await http.get(f"{base}/files", headers=same)).status_code == 304


async def test_folders_are_made_moved_and_deleted_with_what_they_hold(
    http: httpx.AsyncClient, base: str
) -> None:
    assert (await http.post(f"{base}/folders", json={"path": "a/b"})).status_code == 201
    await http.put(f"{base}/files/a/c.txt", content=b"c")
    assert (await http.get(f"{base}/files")).json()["folders"] == ["a", "a/b"]
    moved = await http.post(f"{base}/move", json={"from": "a", "to": "z"})
    assert (moved.status_code, moved.json()["changed"]) == (200, ["z/c.txt"])
    taken = await http.post(f"{base}/move", json={"from": "z/c.txt", "to": "z"})
    assert taken.status_code == 409
    assert (await http.delete(f"{base}/folders/z")).status_code == 200
    listing = (await http.get(f"{base}/files")).json()
    assert (listing["files"], listing["folders"]) == ([], [])
    assert (await http.delete(f"{base}/folders/z")).status_code == 404


@pytest.mark.parametrize(
    "path", ["..%2f..%2fetc%2fpasswd", "a/..%2f..%2fb", "%2fetc%2fpasswd", "a%00b", "a//b"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_path_that_leads_out_of_the_project_is_refused(
    http: httpx.AsyncClient, base: str, path: str, method: str
) -> None:
    answer = await http.request(method, f"{base}/files/{path}", content=b"x")
    assert answer.status_code in (400, 404, 405)
    assert "error" in answer.json()
    assert await paths(http, base) == []


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("folders", {"path": "../a"}),
        ("move", {"from": "kept.txt", "to": "../a"}),
        ("move", {"from": "../a", "to": "b"}),
        ("folders", {"path": ""}),
        ("folders", {}),
        ("move", {"from": 1, "to": 2}),
    ],
)
async def test_a_wrong_path_in_a_body_is_refused(
    http: httpx.AsyncClient, base: str, route: str, body: object
) -> None:
    await http.put(f"{base}/files/kept.txt", content=b"x")
    answer = await http.post(f"{base}/{route}", json=body)
    assert answer.status_code in (400, 404)
    assert await paths(http, base) == ["kept.txt"]


async def test_many_files_are_uploaded_into_a_folder(http: httpx.AsyncClient, base: str) -> None:
    parts = [("files", (f"lib/{number}.txt", b"x" * number)) for number in range(20)]
    sent = await http.post(f"{base}/upload?path=in", files=parts)
    assert sent.json()["files"] == 20
    assert len(await paths(http, base)) == 20
    assert (await http.get(f"{base}/files/in/lib/7.txt")).content == b"x" * 7
    bad = [("files", ("../../out.txt", b"x"))]
    assert (await http.post(f"{base}/upload?path=in", files=bad)).status_code == 400
    assert (await http.post(f"{base}/upload", content=b"no form")).status_code == 400


async def test_a_project_leaves_as_a_zip_and_comes_back(http: httpx.AsyncClient, base: str) -> None:
    await http.put(f"{base}/files/src/a.txt", content=b"a")
    await http.post(f"{base}/folders", json={"path": "empty"})
    packed = await http.get(f"{base}/archive")
    assert packed.headers["content-disposition"].startswith('attachment; filename="Notes.zip"')
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert sorted(archive.namelist()) == ["empty/", "src/a.txt"]
    other = await http.post("/api/projects", json={"name": "Copy"})
    copy = f"/api/projects/{other.json()['id']}"
    assert (await http.post(f"{copy}/import", content=packed.content)).status_code == 200
    listing = (await http.get(f"{copy}/files")).json()
    assert [each["path"] for each in listing["files"]] == ["src/a.txt"]
    assert listing["folders"] == ["empty", "src"]


async def test_a_tar_that_leads_out_or_is_none_is_refused(
    http: httpx.AsyncClient, base: str
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("../../out.txt")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    for body in (packed.getvalue(), b"no archive at all"):
        answer = await http.post(f"{base}/import", content=body)
        assert answer.status_code == 400
    assert await paths(http, base) == []


async def test_what_is_too_large_is_refused_with_the_limit(client: Client) -> None:
    small = TerminalSettings(project_file_mb=1, upload_mb=1, project_files=3)
    async with (
        serving(small) as transport,
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        made = await http.post("/api/projects", json={"name": "Small"})
        base = f"/api/projects/{made.json()['id']}"
        big = b"x" * (1024 * 1024 + 1)

        async def unannounced() -> object:
            yield big

        refused = [
            await http.put(f"{base}/files/big", content=big),
            await http.put(f"{base}/files/big", content=unannounced()),  # type: ignore[arg-type]
            await http.post(f"{base}/import", content=big),
            await http.post(f"{base}/upload", files=[("files", ("big", big))]),
            await http.post(f"{base}/upload", files=[("files", (str(n), b"x")) for n in range(4)]),
        ]
        assert [answer.status_code for answer in refused] == [413] * 5
        assert refused[0].json()["error"]["detail"] == {"limit_bytes": 1024 * 1024}
        assert await paths(http, base) == []
