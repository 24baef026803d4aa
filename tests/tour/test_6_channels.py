"""Sixth stop: channels, the logs that browsers follow."""

import asyncio

from tidegate import App, Client
from tidegate.channels.cursor import Cursor
from tidegate.channels.message import Message
from tidegate.settings import Settings

app = App("tour")


async def next_data(messages: object, count: int) -> list[bytes]:
    found: list[bytes] = []
    async with asyncio.timeout(5):
        async for message in messages:  # type: ignore[attr-defined]
            assert isinstance(message, Message)
            found.append(message.data)
            if len(found) == count:
                break
    return found


async def test_a_subscriber_sees_what_is_published_from_now_on(settings: Settings) -> None:
    async with Client.open(app, settings) as client:
        await client.publish("harbour", {"tide": "low"})
        async with client.subscribe(["harbour"]) as messages:
            await client.publish("harbour", {"tide": "high"})
            assert await next_data(messages, 1) == [b'{"tide":"high"}']


async def test_a_subscriber_that_was_away_goes_on_where_it_stood(settings: Settings) -> None:
    async with Client.open(app, settings) as client:
        async with client.subscribe(["harbour"], Cursor()) as messages:
            await client.publish("harbour", 1)
            assert await next_data(messages, 1) == [b"1"]
            stood_at = messages.cursor
        await client.publish("harbour", 2)
        async with client.subscribe(["harbour"], stood_at) as messages:
            await client.publish("harbour", 3)
            assert await next_data(messages, 2) == [b"2", b"3"]


async def test_publishing_again_with_the_same_key_adds_nothing(settings: Settings) -> None:
    async with Client.open(app, settings) as client:
        first = await client.publish("harbour", "in", key="ship 1 arrives")
        again = await client.publish("harbour", "in", key="ship 1 arrives")
        assert (first.offset, again.offset, again.created) == (1, 1, False)
