"""The unmodified `centrifuge-python` client against a gateway over a real Valkey."""

from typing import Any


async def test_a_publication_reaches_a_subscriber(sdk: Any, running: Any) -> None:
    client, seen = sdk()
    await client.connect()
    subscription = client.new_subscription("news:a", events=seen)
    await subscription.subscribe()
    await subscription.ready()
    await running.channels.append("news:a", [b'{"n":1}', b'{"n":2}'])
    await seen.until(lambda: len(seen.data) == 2)
    assert seen.data == [{"n": 1}, {"n": 2}]


async def test_a_client_publishes_and_hears_itself(sdk: Any) -> None:
    client, seen = sdk()
    await client.connect()
    subscription = client.new_subscription("news:a", events=seen)
    await subscription.subscribe()
    await subscription.publish({"text": "hello\nworld"})
    await seen.until(lambda: bool(seen.data))
    assert seen.data == [{"text": "hello\nworld"}]
