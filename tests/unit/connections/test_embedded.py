"""The server that `tidegate up` runs: private, durable over a kill, gone when stopped."""

import asyncio
import stat
from pathlib import Path

import pytest

from tidegate.connections.embedded import EmbeddedValkey, runtime_folder
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError


async def test_only_its_owner_reaches_its_socket(server: EmbeddedValkey) -> None:
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700


async def test_what_was_acknowledged_survives_a_kill(
    server: EmbeddedValkey, valkey: Valkey
) -> None:
    keys = [f"key-{number}" for number in range(1000)]
    await asyncio.gather(*[valkey.call("SET", key, "v" * 1000) for key in keys])
    assert server.process is not None
    server.process.kill()
    await server.process.wait()
    await server.start()
    assert await valkey.call("EXISTS", *keys) == 1000


async def test_without_an_append_only_file_nothing_is_kept(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "data", append_only=False)
    for _ in range(2):
        await server.start()
        async with await Valkey.open(server.url, app="test") as valkey:
            assert await valkey.call("EXISTS", "key") == 0
            await valkey.call("SET", "key", "1")
        await server.stop()


async def test_stopping_again_or_before_starting_does_nothing(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "data")
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()
    assert server.process is not None
    assert server.process.returncode == 0


async def test_a_server_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "data", wrap=lambda _: ["false"])
    with pytest.raises(BackendUnavailableError, match=r"exited with status 1; see .*valkey\.log"):
        await server.start()


def test_the_sockets_folder_is_short_however_deep_the_data_lies(tmp_path: Path) -> None:
    deep = tmp_path / ("folder" * 8) / ("folder" * 8) / ("folder" * 8)
    assert len(str(runtime_folder(deep) / "valkey.sock")) < 100
    assert runtime_folder(deep) == runtime_folder(deep)
    assert runtime_folder(deep) != runtime_folder(deep / "other")
