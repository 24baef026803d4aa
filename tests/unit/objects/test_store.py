"""Objects in a folder and in S3 behave alike; S3 is moto's server, reached over loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tidegate.errors import (
    BackendUnavailableError,
    ObjectError,
    ObjectMissingError,
    SettingsError,
)
from tidegate.objects import Objects
from tidegate.objects.address import ObjectsAddress


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Objects:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    httpx.post(f"{s3_server}/moto-api/reset")
    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")
    client.create_bucket(Bucket="files")
    client.close()
    return Objects.open(f"s3://files/app?endpoint={s3_server}&region=us-east-1")


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "s3":
        s3: Objects = request.getfixturevalue("s3")
        return s3
    return Objects.open((tmp_path / "objects").as_uri())


async def keys(objects: Objects, prefix: str = "") -> list[str]:
    return sorted([info.key async for info in objects.list(prefix)])


async def test_what_was_put_is_what_one_gets(objects: Objects) -> None:
    await objects.put("a/b.txt", b"one")
    await objects.put("a/b.txt", b"two, longer")
    assert await objects.get("a/b.txt") == b"two, longer"
    assert await objects.get_range("a/b.txt", 5, 100) == b"longer"
    assert await objects.get_range("a/b.txt", 0, 3) == b"two"


async def test_keys_may_hold_colons_spaces_and_letters_of_any_language(objects: Objects) -> None:
    awkward = ["terminal:p:t/1-2", "with space/ü 日本.txt", "100%/a?b#c", "tilde~"]
    for key in awkward:
        await objects.put(key, key.encode())
    assert await keys(objects) == sorted(awkward)
    assert [await objects.get(key) for key in awkward] == [key.encode() for key in awkward]


async def test_one_of_many_concurrent_puts_if_absent_stores(objects: Objects) -> None:
    tries = [objects.put_if_absent("lock", str(n).encode()) for n in range(8)]
    stored = await asyncio.gather(*tries)
    assert stored.count(True) == 1
    assert await objects.get("lock") == str(stored.index(True)).encode()


async def test_a_missing_object_is_an_error_to_get_and_none_to_head(objects: Objects) -> None:
    with pytest.raises(ObjectMissingError, match="no object 'nothing'"):
        await objects.get("nothing")
    with pytest.raises(ObjectMissingError):
        await objects.get_range("nothing", 0, 1)
    assert await objects.head("nothing") is None


async def test_head_tells_size_and_a_tag_that_changes_with_the_content(objects: Objects) -> None:
    await objects.put("x", b"12345")
    before = await objects.head("x")
    await objects.put("x", b"1234567")
    after = await objects.head("x")
    assert before is not None
    assert after is not None
    assert (before.key, before.size, after.size) == ("x", 5, 7)
    assert before.etag != after.etag
    assert before.modified_at.tzinfo is not None


async def test_list_takes_whole_segments(objects: Objects) -> None:
    for key in ("a/1", "a/b/2", "ab/3"):
        await objects.put(key, b"")
    assert await keys(objects, "a") == ["a/1", "a/b/2"]
    assert await keys(objects) == ["a/1", "a/b/2", "ab/3"]
    assert await keys(objects, "none") == []


async def test_deleting_again_or_nothing_does_nothing(objects: Objects) -> None:
    await objects.put("a/1", b"")
    await objects.put("a/2", b"")
    await objects.delete("a/1", "gone", "a/2")
    await objects.delete("a/1")
    assert await keys(objects) == []


async def test_large_objects_travel_in_chunks_both_ways(objects: Objects, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(range(256)) * 32 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 3_000_000

    await objects.put("from/file", file)
    await objects.put("from/stream", pieces())
    chunks = [chunk async for chunk in objects.stream("from/file")]
    assert len(chunks) > 1
    assert b"".join(chunks) == file.read_bytes()
    assert len(await objects.get("from/stream")) == 9_000_000


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../up", "a/./b", "line\nbreak", "nul\0"])
async def test_a_key_that_could_mean_another_is_refused(objects: Objects, key: str) -> None:
    with pytest.raises(ObjectError, match="expected an object key"):
        await objects.put(key, b"")


async def test_a_presigned_url_works_without_credentials(s3: Objects) -> None:
    put = await s3.presign("PUT", "shared.txt")
    get = await s3.presign("GET", "shared.txt")
    assert put is not None
    assert get is not None
    async with httpx.AsyncClient() as client:
        assert (await client.put(put, content=b"hello")).status_code == 200
        assert (await client.get(get)).content == b"hello"
    assert await s3.get("shared.txt") == b"hello"


async def test_a_folder_cannot_presign(tmp_path: Path) -> None:
    assert await Objects.open(tmp_path.as_uri()).presign("GET", "a") is None


async def test_a_key_below_another_object_is_refused_by_a_folder(tmp_path: Path) -> None:
    objects = Objects.open(tmp_path.as_uri())
    await objects.put("a", b"")
    with pytest.raises(ObjectError, match="cannot use object 'a/b'"):
        await objects.put("a/b", b"")


async def test_an_unreachable_s3_is_unavailable(
    s3: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Objects.open("s3://files?endpoint=http://127.0.0.1:9&region=us-east-1")
    with pytest.raises(BackendUnavailableError, match="s3://files did not answer"):
        await away.get("a")


async def test_a_missing_bucket_is_told_from_a_missing_object(s3: Objects, s3_server: str) -> None:
    other = Objects.open(f"s3://nowhere?endpoint={s3_server}&region=us-east-1")
    with pytest.raises(ObjectError):
        await other.put("a", b"")


@pytest.mark.parametrize(
    "url",
    ["", "/var/data", "file://host/x", "file:///", "s3:///x", "http://x/y", "s3://b?secret=1"],
)
def test_a_url_of_another_shape_says_what_is_expected(url: str) -> None:
    with pytest.raises(SettingsError, match="expected"):
        ObjectsAddress.parse(url)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ObjectError, match="cannot make folder"):
        Objects.open((tmp_path / "file" / "sub").as_uri())
