"""The client for commands: pairing, reconnecting, its function library, its thread-bound sister."""

import asyncio
from pathlib import Path

import pytest

from tidegate.connections.address import Address
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.library import library
from tidegate.connections.link import ReplyError
from tidegate.connections.valkey import BlockingValkey, Valkey
from tidegate.errors import BackendUnavailableError


async def kill(server: EmbeddedValkey) -> None:
    assert server.process is not None
    server.process.kill()
    await server.process.wait()


async def test_replies_come_back_to_who_asked(valkey: Valkey) -> None:
    await asyncio.gather(*[valkey.call("SET", f"k{n}", n) for n in range(500)])
    answers = await asyncio.gather(*[valkey.call("GET", f"k{n}") for n in range(500)])
    assert answers == [b"%d" % n for n in range(500)]


async def test_a_refused_command_fails_alone(valkey: Valkey) -> None:
    await valkey.call("SET", "text", "x")
    good, bad, also_good = await asyncio.gather(
        valkey.call("GET", "text"),
        valkey.call("INCR", "text"),
        valkey.call("GET", "text"),
        return_exceptions=True,
    )
    assert (good, also_good) == (b"x", b"x")
    assert isinstance(bad, ReplyError)
    assert "not an integer" in str(bad)


async def test_a_cancelled_command_does_not_shift_the_replies(valkey: Valkey) -> None:
    waiting = asyncio.ensure_future(valkey.call("ECHO", "cancelled"))
    await asyncio.sleep(0)  # it has been written
    waiting.cancel()
    assert await valkey.call("ECHO", "next") == b"next"


async def test_a_command_on_a_lost_connection_fails_and_the_next_works(
    valkey: Valkey, server: EmbeddedValkey
) -> None:
    waiting = asyncio.ensure_future(valkey.call("BLPOP", "nothing", 0))
    async with await Valkey.open(server.url, app="test") as other:
        await other.call("CLIENT", "KILL", "TYPE", "NORMAL")
    with pytest.raises(BackendUnavailableError, match="may have been applied"):
        await waiting
    assert await valkey.call("ECHO", "again") == b"again"


async def test_commands_wait_for_a_server_that_restarts(
    valkey: Valkey, server: EmbeddedValkey
) -> None:
    await valkey.call("SET", "kept", "1")
    await kill(server)
    await asyncio.sleep(0)  # the client has seen it by the next turn at the earliest
    waiting = [asyncio.create_task(valkey.call("GET", "kept")) for _ in range(3)]
    await server.start()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(each == b"1" or isinstance(each, BackendUnavailableError) for each in answers), (
        answers
    )
    assert await valkey.call("GET", "kept") == b"1"


async def test_a_server_that_stays_away_is_reported_after_patience(server: EmbeddedValkey) -> None:
    async with await Valkey.open(server.url, app="test", patience=0.1) as valkey:
        await kill(server)
        for _ in range(2):
            with pytest.raises(BackendUnavailableError):
                await valkey.call("PING")


async def test_no_server_at_all_is_reported_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match=r"nothing\.sock"):
        await Valkey.open(f"unix://{tmp_path}/nothing.sock", app="test", patience=0.05)


async def test_after_close_nothing_is_sent(server: EmbeddedValkey) -> None:
    valkey = await Valkey.open(server.url, app="test")
    await valkey.close()
    await valkey.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        await valkey.call("PING")


async def test_the_epoch_changes_with_the_server_process_only(
    valkey: Valkey, server: EmbeddedValkey
) -> None:
    first = valkey.epoch
    async with await Valkey.open(server.url, app="test") as other:
        assert other.epoch == first
    await kill(server)
    await server.start()
    async with await Valkey.open(server.url, app="test") as other:
        assert other.epoch != first
        assert int(other.epoch.partition("-")[0]) == int(first.partition("-")[0]) + 1


async def test_apps_do_not_see_each_other(valkey: Valkey, server: EmbeddedValkey) -> None:
    assert await valkey.fcall("hold", "", "leader", "me", 30) == 1
    async with await Valkey.open(server.url, app="other") as other:
        assert await other.fcall("hold", "", "leader", "you", 30) == 1


async def test_functions_the_server_has_lost_are_loaded_again(valkey: Valkey) -> None:
    await valkey.call("FUNCTION", "FLUSH")
    assert await valkey.fcall("hold", "", "leader", "me", 30) == 1


async def test_many_processes_may_load_the_library_at_once(server: EmbeddedValkey) -> None:
    clients = await asyncio.gather(*[Valkey.open(server.url, app="test") for _ in range(8)])
    loaded = await clients[0].call("FUNCTION", "LIST")
    assert len(loaded) == 1
    await asyncio.gather(*[client.close() for client in clients])


def test_the_library_is_named_by_its_content() -> None:
    assert library().source.startswith(f"#!lua name={library().name}\n")
    assert library().function("hold") == f"{library().name}_hold"


async def test_a_thread_connects_again_after_a_loss(valkey: Valkey, server: EmbeddedValkey) -> None:
    blocking = BlockingValkey(Address.parse(server.url), app="test", timeout=5, name="thread")
    assert await asyncio.to_thread(blocking.call, "ECHO", "one") == b"one"
    await valkey.call("CLIENT", "KILL", "TYPE", "NORMAL")
    with pytest.raises(BackendUnavailableError):
        await asyncio.to_thread(blocking.call, "PING")
    assert await asyncio.to_thread(blocking.call, "ECHO", "two") == b"two"
    with pytest.raises(ReplyError):
        await asyncio.to_thread(blocking.call, "NOSUCH")
    await asyncio.to_thread(blocking.call, "FUNCTION", "FLUSH")
    assert await asyncio.to_thread(blocking.fcall, "hold", "", "leader", "me", 30) == 1
    blocking.close()
